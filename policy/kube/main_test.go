package kube

import (
	"fmt"
	"testing"

	"go.uber.org/goleak"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"outrigger.dev/outrigger/api/v1alpha1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// policyObject is an AuthenticationPolicy as an API server gives it.
func policyObject(name string, generation, version int64) *unstructured.Unstructured {
	object := &unstructured.Unstructured{Object: map[string]any{
		"spec": map[string]any{"peer": map[string]any{"mode": "Strict"}},
	}}
	object.SetGroupVersionKind(v1alpha1.GroupVersion().WithKind(v1alpha1.KindAuthenticationPolicy))
	object.SetNamespace("shop")
	object.SetName(name)
	object.SetUID(types.UID("uid-" + name))
	object.SetGeneration(generation)
	object.SetResourceVersion(fmt.Sprint(version))
	return object
}

// bookmark says where a watch is; the one after the full state says so.
func bookmark(version int64, initial bool) *unstructured.Unstructured {
	object := &unstructured.Unstructured{Object: map[string]any{}}
	object.SetGroupVersionKind(v1alpha1.GroupVersion().WithKind(v1alpha1.KindAuthenticationPolicy))
	object.SetResourceVersion(fmt.Sprint(version))
	if initial {
		object.SetAnnotations(map[string]string{metav1.InitialEventsAnnotationKey: "true"})
	}
	return object
}
