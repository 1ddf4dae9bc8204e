package kube

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// youngDefinition is the age up to which a definition does not prove that objects are gone for good: whoever installs it anew
// takes that long at most to bring its objects back.
const youngDefinition = 5 * time.Minute

var (
	// errNotInstalled says that the cluster has no definition of a kind.
	errNotInstalled = errors.New("the cluster has no such CustomResourceDefinition")
	// errBeingDeleted says that the definition of a kind is going.
	errBeingDeleted = errors.New("the CustomResourceDefinition is being deleted, and all its objects with it")
)

// definitions asks for CustomResourceDefinitions. When one is deleted, the API server deletes every object of its kind first: each
// deletion looks like one of the user's, and only the definition tells the difference.
type definitions struct {
	client dynamic.Interface
}

// stands returns nil when the definition of a kind is there to stay. The read is consistent, so that a definition whose
// deletion made an object go is seen to be going.
func (d definitions) stands(ctx context.Context, of kind) error {
	_, err := d.get(ctx, of)
	return err
}

// stood returns nil when the definition has been there for a while: objects that went with one before may be on their way back.
func (d definitions) stood(ctx context.Context, of kind, now time.Time) error {
	object, err := d.get(ctx, of)
	if err != nil {
		return err
	}
	if made := object.GetCreationTimestamp(); now.Sub(made.Time) < youngDefinition {
		return fmt.Errorf("CustomResourceDefinition %s is only there since %s: what went with one before may come back",
			of.definition(), made.UTC().Format(time.RFC3339))
	}
	return nil
}

func (d definitions) get(ctx context.Context, of kind) (*unstructured.Unstructured, error) {
	resource := schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
	object, err := d.client.Resource(resource).Get(ctx, of.definition(), metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, fmt.Errorf("%w: %s", errNotInstalled, of.definition())
	case err != nil:
		return nil, fmt.Errorf("get CustomResourceDefinition %s: %w", of.definition(), err)
	case object.GetDeletionTimestamp() != nil:
		return nil, fmt.Errorf("%w: %s", errBeingDeleted, of.definition())
	}
	return object, nil
}
