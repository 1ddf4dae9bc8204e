package kubesource_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"outrigger.dev/outrigger/api/v1alpha1"
	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/discovery/kube"
	"outrigger.dev/outrigger/discovery/sourcetest"
	"outrigger.dev/outrigger/test/cluster"
	"outrigger.dev/outrigger/test/fault"
)

// node is where the suite's pods run.
const node = "node-a"

// workloads are the machines outside.
var workloads = v1alpha1.GroupVersion().WithResource("workloads")

// namespaces are those that the suite writes to.
var namespaces = []string{"shop", "stock", "till"}

// registry is a cluster as the suite writes to it, behind a proxy. The source has the rights that it needs, and no others.
type registry struct {
	kube   *cluster.Kube
	proxy  *fault.Proxy
	access cluster.Access
}

// open gives a test the shared cluster, emptied, behind a proxy of its own.
func open(t *testing.T) *registry {
	t.Helper()
	t.Cleanup(func() { empty(t) })
	return behindProxy(t, shared)
}

// behindProxy gives a test a cluster.
func behindProxy(t *testing.T, k *cluster.Kube) *registry {
	t.Helper()
	if err := k.AddNode(t.Context(), node, "eu", "eu-1"); !apierrors.IsAlreadyExists(err) {
		must(t, err)
	}
	access, err := k.AddAccount(t.Context(), "outrigger-system", "outrigger", rules()...)
	must(t, err)
	proxy := fault.Start(t, k.Host())
	return &registry{kube: k, proxy: proxy, access: access.Via(proxy.Addr())}
}

// rules are the rights that a source needs.
func rules() []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"services", "pods", "nodes", "namespaces"}, Verbs: []string{"list", "watch"}},
		{APIGroups: []string{""}, Resources: []string{"services"}, Verbs: []string{"get"}},
		{APIGroups: []string{""}, Resources: []string{"namespaces"}, ResourceNames: []string{"kube-system"}, Verbs: []string{"get"}},
		{APIGroups: []string{"discovery.k8s.io"}, Resources: []string{"endpointslices"}, Verbs: []string{"list", "watch"}},
		{APIGroups: []string{"outrigger.dev"}, Resources: []string{"workloads"}, Verbs: []string{"list", "watch"}},
		{APIGroups: []string{"apiextensions.k8s.io"}, Resources: []string{"customresourcedefinitions"}, Verbs: []string{"get"}},
	}
}

// empty removes what a test may have written.
func empty(t *testing.T) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	now := metav1.DeleteOptions{GracePeriodSeconds: new(int64)}
	for _, namespace := range namespaces {
		services, err := shared.Client().CoreV1().Services(namespace).List(ctx, metav1.ListOptions{})
		must(t, err)
		for _, s := range services.Items {
			must(t, shared.Client().CoreV1().Services(namespace).Delete(ctx, s.Name, metav1.DeleteOptions{}))
		}
		must(t, shared.Client().CoreV1().Pods(namespace).DeleteCollection(ctx, now, metav1.ListOptions{}))
		must(t, shared.Client().DiscoveryV1().EndpointSlices(namespace).DeleteCollection(ctx, now, metav1.ListOptions{}))
		objects, err := shared.Dynamic()
		must(t, err)
		must(t, objects.Resource(workloads).Namespace(namespace).DeleteCollection(ctx, now, metav1.ListOptions{}))
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// source returns a source behind the proxy.
func (r *registry) source(t *testing.T) *kube.Source {
	t.Helper()
	config, err := r.access.Config()
	must(t, err)
	source, err := kube.New(kube.Config{Name: "test", REST: config, Logger: slog.New(slog.DiscardHandler)})
	must(t, err)
	return source
}

// Source returns a source that shows the suite its own namespaces: no cluster is empty.
func (r *registry) Source(t *testing.T) discovery.Source {
	t.Helper()
	return only{source: r.source(t)}
}

// only is a source without what the cluster itself holds.
type only struct{ source discovery.Source }

func (o only) Run(ctx context.Context, out chan<- discovery.Update) error {
	all, ended := make(chan discovery.Update), make(chan error, 1)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() { ended <- o.source.Run(ctx, all) }()
	for {
		select {
		case err := <-ended:
			return err
		case update := <-all:
			keep(update.Services, func(id discovery.ServiceID) string { return id.Namespace })
			keep(update.Endpoints, func(id discovery.ShardID) string { return id.Service.Namespace })
			keep(update.Workloads, func(id discovery.WorkloadID) string { return id.Namespace })
			keep(update.Namespaces, func(name string) string { return name })
			select {
			case out <- update:
			case err := <-ended:
				return err
			}
		}
	}
}

func keep[K comparable, V any](values map[K]V, namespace func(K) string) {
	for key := range values {
		if !slices.Contains(namespaces, namespace(key)) {
			delete(values, key)
		}
	}
}

func (r *registry) PutService(t *testing.T, s sourcetest.Service) {
	t.Helper()
	if _, err := r.kube.Client().CoreV1().Services(s.ID.Namespace).Get(t.Context(), s.ID.Name, metav1.GetOptions{}); err == nil {
		return
	}
	_, err := r.kube.AddService(t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.ID.Namespace, Name: s.ID.Name},
		Spec: corev1.ServiceSpec{
			ClusterIP: s.VIP.String(), Selector: map[string]string{"app": s.App},
			Ports: []corev1.ServicePort{{Port: int32(s.Port), TargetPort: intstr.FromInt32(int32(s.TargetPort))}},
		},
	})
	must(t, err)
}

func (r *registry) DeleteService(t *testing.T, id discovery.ServiceID) {
	t.Helper()
	must(t, r.kube.Client().CoreV1().Services(id.Namespace).Delete(t.Context(), id.Name, metav1.DeleteOptions{}))
}

// PutWorkload writes a pod, as its kubelet would. A pod that ends does not come back: another one takes its name.
func (r *registry) PutWorkload(t *testing.T, w sourcetest.Workload) {
	t.Helper()
	pods := r.kube.Client().CoreV1().Pods(w.ID.Namespace)
	known, err := pods.Get(t.Context(), w.ID.Name, metav1.GetOptions{})
	if !apierrors.IsNotFound(err) {
		must(t, err)
	}
	if err == nil && (known.DeletionTimestamp != nil || known.Status.PodIP != w.Address.String()) {
		r.DeleteWorkload(t, w.ID)
		known = nil
	}
	if err != nil || known == nil {
		_, err := r.kube.AddPod(t.Context(), cluster.Pod{
			Namespace: w.ID.Namespace, Name: w.ID.Name, ServiceAccount: w.Account, Labels: map[string]string{"app": w.App},
			Node: node, IPs: []string{w.Address.String()}, NotReady: w.Health == discovery.Unhealthy,
		})
		must(t, err)
	}
	switch w.Health {
	case discovery.Draining:
		must(t, r.kube.TerminatePod(t.Context(), w.ID.Namespace, w.ID.Name))
	case discovery.Healthy, discovery.Unhealthy:
		must(t, r.kube.SetPodReady(t.Context(), w.ID.Namespace, w.ID.Name, w.Health == discovery.Healthy))
	default:
		t.Fatalf("a pod cannot be %s", w.Health)
	}
}

func (r *registry) DeleteWorkload(t *testing.T, id discovery.WorkloadID) {
	t.Helper()
	must(t, r.kube.RemovePod(t.Context(), id.Namespace, id.Name))
}

var _ sourcetest.NamespaceRegistry = (*registry)(nil)

func (r *registry) PutNamespace(t *testing.T, name string, labels map[string]string) {
	t.Helper()
	must(t, r.kube.AddNamespace(t.Context(), name))
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"labels": labels}})
	must(t, err)
	_, err = r.kube.Client().CoreV1().Namespaces().Patch(t.Context(), name, types.MergePatchType, patch, metav1.PatchOptions{})
	must(t, err)
}

// DeleteNamespace begins the removal; the controllers do the rest.
func (r *registry) DeleteNamespace(t *testing.T, name string) {
	t.Helper()
	must(t, r.kube.Client().CoreV1().Namespaces().Delete(t.Context(), name, metav1.DeleteOptions{}))
}

func (r *registry) Break(t *testing.T) {
	t.Helper()
	must(t, r.proxy.Set(fault.Cut()))
}

func (r *registry) Mend(t *testing.T) {
	t.Helper()
	must(t, r.proxy.Set(fault.Pass()))
}
