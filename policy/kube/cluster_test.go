package kube

import (
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic/fake"
)

func TestAnotherClusterAnswers(t *testing.T) {
	scheme := runtime.NewScheme()
	must(t, corev1.AddToScheme(scheme))
	system := func(uid types.UID) *fake.FakeDynamicClient {
		namespace := &corev1.Namespace{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"}}
		namespace.Name, namespace.UID = metav1.NamespaceSystem, uid
		return fake.NewSimpleDynamicClient(scheme, namespace)
	}
	c := &cluster{client: system("uid-1")}
	for range 2 {
		if err := c.same(t.Context()); err != nil {
			t.Errorf("the same cluster: %v", err)
		}
	}
	c.client = system("uid-2")
	if err := c.same(t.Context()); !errors.Is(err, errOtherCluster) {
		t.Errorf("another cluster: %v", err)
	}
	c.client = fake.NewSimpleDynamicClient(scheme)
	if err := c.same(t.Context()); err == nil || errors.Is(err, errOtherCluster) {
		t.Errorf("a cluster that does not say: %v", err)
	}
	c.client = system("uid-1")
	if err := c.same(t.Context()); err != nil {
		t.Errorf("the first cluster is back: %v", err)
	}
}
