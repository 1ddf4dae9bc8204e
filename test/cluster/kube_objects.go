package cluster

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
)

// Pod is what AddPod makes.
type Pod struct {
	// Namespace and the ServiceAccount are made when they are missing. Empty: default.
	Namespace, Name, ServiceAccount string
	Labels, Annotations             map[string]string
	// Node is the node's name, which need not exist. Empty: the pod is not scheduled.
	Node string
	// IPs are of one family or of two; the first is the pod's main one. None: the pod has none yet.
	IPs []string
	// Ports are named ports of its container, for Services that refer to them.
	Ports map[string]int32
	// NotReady makes the condition Ready false.
	NotReady bool
}

// AddNamespace makes a namespace with its default ServiceAccount, unless they are there.
func (k *Kube) AddNamespace(ctx context.Context, name string) error {
	_, err := k.client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	if err := unlessThere(err); err != nil {
		return err
	}
	return k.addServiceAccount(ctx, name, "default")
}

func (k *Kube) addServiceAccount(ctx context.Context, namespace, name string) error {
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}
	_, err := k.client.CoreV1().ServiceAccounts(namespace).Create(ctx, account, metav1.CreateOptions{})
	return unlessThere(err)
}

func unlessThere(err error) error {
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// AddNode makes a node in a region and a zone, with the condition Ready, as its kubelet would.
func (k *Kube) AddNode(ctx context.Context, name, region, zone string) error {
	node, err := k.client.CoreV1().Nodes().Create(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{
		Name: name, Labels: map[string]string{corev1.LabelTopologyRegion: region, corev1.LabelTopologyZone: zone, corev1.LabelHostname: name},
	}}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "Test"}}
	_, err = k.client.CoreV1().Nodes().UpdateStatus(ctx, node, metav1.UpdateOptions{})
	return err
}

// AddPod makes a pod that runs, as its kubelet would.
func (k *Kube) AddPod(ctx context.Context, p Pod) (*corev1.Pod, error) {
	p = p.withDefaults()
	if err := k.AddNamespace(ctx, p.Namespace); err != nil {
		return nil, err
	}
	if err := k.addServiceAccount(ctx, p.Namespace, p.ServiceAccount); err != nil {
		return nil, err
	}
	made, err := k.client.CoreV1().Pods(p.Namespace).Create(ctx, p.object(), metav1.CreateOptions{})
	if err != nil {
		return nil, err
	}
	made.Status = p.status(made.Status)
	return k.client.CoreV1().Pods(p.Namespace).UpdateStatus(ctx, made, metav1.UpdateOptions{})
}

func (p Pod) withDefaults() Pod {
	if p.Namespace == "" {
		p.Namespace = metav1.NamespaceDefault
	}
	if p.ServiceAccount == "" {
		p.ServiceAccount = "default"
	}
	return p
}

func (p Pod) object() *corev1.Pod {
	container := corev1.Container{Name: "app", Image: "localhost/app:test"}
	for name, port := range p.Ports {
		container.Ports = append(container.Ports, corev1.ContainerPort{Name: name, ContainerPort: port})
	}
	slices.SortFunc(container.Ports, func(a, b corev1.ContainerPort) int { return int(a.ContainerPort - b.ContainerPort) })
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: p.Name, Labels: p.Labels, Annotations: p.Annotations},
		Spec: corev1.PodSpec{
			ServiceAccountName: p.ServiceAccount, NodeName: p.Node, Containers: []corev1.Container{container},
		},
	}
}

func (p Pod) status(s corev1.PodStatus) corev1.PodStatus {
	s.Phase = corev1.PodRunning
	s.PodIPs = nil
	for i, ip := range p.IPs {
		if i == 0 {
			s.PodIP = ip
		}
		s.PodIPs = append(s.PodIPs, corev1.PodIP{IP: ip})
	}
	s.Conditions = readiness(s.Conditions, !p.NotReady)
	return s
}

// readiness sets the condition Ready among others.
func readiness(all []corev1.PodCondition, ready bool) []corev1.PodCondition {
	status := corev1.ConditionFalse
	if ready {
		status = corev1.ConditionTrue
	}
	all = slices.DeleteFunc(slices.Clone(all), func(c corev1.PodCondition) bool { return c.Type == corev1.PodReady })
	return append(all, corev1.PodCondition{Type: corev1.PodReady, Status: status, LastTransitionTime: metav1.Now()})
}

// SetPodReady changes the condition Ready of a pod.
func (k *Kube) SetPodReady(ctx context.Context, namespace, name string, ready bool) error {
	pods := k.client.CoreV1().Pods(namespace)
	return retry.RetryOnConflict(retry.DefaultRetry, func() error {
		pod, err := pods.Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		pod.Status.Conditions = readiness(pod.Status.Conditions, ready)
		_, err = pods.UpdateStatus(ctx, pod, metav1.UpdateOptions{})
		return err
	})
}

// TerminatePod asks a scheduled pod to end: it is terminating, and stays as ready as it was, until RemovePod.
func (k *Kube) TerminatePod(ctx context.Context, namespace, name string) error {
	return k.client.CoreV1().Pods(namespace).Delete(ctx, name, metav1.DeleteOptions{GracePeriodSeconds: new(int64(30))})
}

// RemovePod removes a pod at once, as its kubelet does when its containers have ended.
func (k *Kube) RemovePod(ctx context.Context, namespace, name string) error {
	return k.client.CoreV1().Pods(namespace).Delete(ctx, name, metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))})
}

// NewService is a Service that selects pods by the label app with its own name, to be changed and given to AddService.
func NewService(namespace, name string, ports ...int32) *corev1.Service {
	s := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       corev1.ServiceSpec{Selector: map[string]string{"app": name}},
	}
	for _, port := range ports {
		s.Spec.Ports = append(s.Spec.Ports, corev1.ServicePort{Name: fmt.Sprintf("http-%d", port), Port: port})
	}
	return s
}

// AddService makes a Service, and its namespace when that is missing.
func (k *Kube) AddService(ctx context.Context, s *corev1.Service) (*corev1.Service, error) {
	if err := k.AddNamespace(ctx, s.Namespace); err != nil {
		return nil, err
	}
	return k.client.CoreV1().Services(s.Namespace).Create(ctx, s, metav1.CreateOptions{})
}

// AwaitEndpoints waits until the EndpointSlices of a Service have exactly the given ready addresses.
func (k *Kube) AwaitEndpoints(ctx context.Context, namespace, service string, want ...string) error {
	slices.Sort(want)
	return await(ctx, fmt.Sprintf("service %s/%s has the endpoints %v", namespace, service, want), k.apiserver, func(ctx context.Context) error {
		list, err := k.client.DiscoveryV1().EndpointSlices(namespace).List(ctx, metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=" + service})
		if err != nil {
			return err
		}
		if have := readyAddresses(list.Items); !slices.Equal(have, want) {
			return fmt.Errorf("it has %v", have)
		}
		return nil
	})
}

// readyAddresses are sorted, each once.
func readyAddresses(all []discoveryv1.EndpointSlice) []string {
	var have []string
	for _, slice := range all {
		for _, endpoint := range slice.Endpoints {
			if ready := endpoint.Conditions.Ready; ready == nil || *ready {
				have = append(have, endpoint.Addresses...)
			}
		}
	}
	slices.Sort(have)
	return slices.Compact(have)
}
