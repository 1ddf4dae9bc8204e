package main

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"outrigger.dev/outrigger/test/cluster"
)

// kubeRegistry is an API server whose EndpointSlices are written by the bench: no controller is measured along.
type kubeRegistry struct {
	kube   *cluster.Kube
	client kubernetes.Interface
}

func openKube(ctx context.Context, _ string) (registry, error) {
	kube, err := cluster.OpenKube(ctx, cluster.KubeOptions{NoControllers: true})
	if err != nil {
		return nil, err
	}
	if err := kube.AddNamespace(ctx, namespace); err != nil {
		return nil, errors.Join(err, kube.Close())
	}
	return &kubeRegistry{kube: kube, client: kube.Client()}, nil
}

func (r *kubeRegistry) put(ctx context.Context, i, endpoints, generation int) error {
	slice := r.slice(i, endpoints, generation)
	if generation > 0 {
		_, err := r.client.DiscoveryV1().EndpointSlices(namespace).Update(ctx, slice, metav1.UpdateOptions{})
		return err
	}
	_, err := r.client.CoreV1().Services(namespace).Create(ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: serviceName(i)},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "http", Port: 80}}},
	}, metav1.CreateOptions{})
	if err == nil {
		_, err = r.client.DiscoveryV1().EndpointSlices(namespace).Create(ctx, slice, metav1.CreateOptions{})
	}
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

func (r *kubeRegistry) slice(i, endpoints, generation int) *discoveryv1.EndpointSlice {
	name, port, ready := "http", int32(8080), true
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Name: serviceName(i) + "-1", Labels: map[string]string{discoveryv1.LabelServiceName: serviceName(i)}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: &name, Port: &port}},
	}
	for j := range endpoints {
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{
			Addresses:  []string{endpointAddress(i, j, endpoints, generation).String()},
			Conditions: discoveryv1.EndpointConditions{Ready: &ready},
		})
	}
	return slice
}

// touch changes an annotation that nobody reads.
func (r *kubeRegistry) touch(ctx context.Context, i, n int) error {
	patch := fmt.Appendf(nil, `{"metadata":{"annotations":{"bench":"%d"}}}`, n)
	_, err := r.client.CoreV1().Services(namespace).Patch(ctx, serviceName(i), "application/merge-patch+json", patch, metav1.PatchOptions{})
	return err
}

func (r *kubeRegistry) assignment(i int) string {
	return "outbound|80||" + serviceName(i) + "." + namespace
}

func (r *kubeRegistry) arguments() []string { return []string{"--kubeconfig", r.kube.Kubeconfig()} }

func (r *kubeRegistry) config() string { return "# Services come from the cluster.\n" }

func (r *kubeRegistry) close() error { return r.kube.Close() }
