package kube

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"outrigger.dev/outrigger/api/v1alpha1"
	"outrigger.dev/outrigger/discovery"
)

// applyLimit bounds one write.
const applyLimit = 10 * time.Second

// apply writes conditions onto the status of an object, and returns the object as it is then. Conditions of others stay; an
// object of the same name that came after the one that was judged is left alone.
func (t *term) apply(ctx context.Context, id discovery.ObjectID, conditions []metav1.Condition) (*unstructured.Unstructured, error) {
	ctx, cancel := context.WithTimeout(ctx, applyLimit)
	defer cancel()
	status, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&v1alpha1.Status{Conditions: conditions})
	if err != nil {
		return nil, fmt.Errorf("status of %s: %w", id, err)
	}
	object := &unstructured.Unstructured{Object: map[string]any{"status": status}}
	object.SetGroupVersionKind(v1alpha1.GroupVersion().WithKind(id.Kind))
	object.SetNamespace(id.Namespace)
	object.SetName(id.Name)
	object.SetUID(t.seen[id].stamp.uid)
	// Nobody else has a say in whether the control plane uses an object.
	options := metav1.ApplyOptions{FieldManager: FieldManager, Force: true}
	object, err = t.client.Resource(kindOf(id).resource()).Namespace(id.Namespace).ApplyStatus(ctx, id.Name, object, options)
	if err != nil {
		return nil, fmt.Errorf("status of %s: %w", id, err)
	}
	return object, nil
}

// kindOf returns the kind of an object that was seen.
func kindOf(id discovery.ObjectID) kind {
	for _, kind := range statusKinds() {
		if kind.name == id.Kind {
			return kind
		}
	}
	return kind{}
}
