package kube

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"outrigger.dev/outrigger/discovery"
)

// confirmLimit bounds a second read.
const confirmLimit = 30 * time.Second

// Confirm reads a second time which objects of a kind there are, from a majority of the cluster's stores and not from a
// cache. A kind that is not installed, is being removed or was installed within the last five minutes is an error, and so is another cluster.
func (s *Source) Confirm(ctx context.Context, kind string) ([]discovery.ObjectID, error) {
	ctx, cancel := context.WithTimeout(ctx, confirmLimit)
	defer cancel()
	for _, known := range policyKinds() {
		if known.name == kind {
			return s.confirm(ctx, known)
		}
	}
	return nil, fmt.Errorf("confirm %s: it is no kind of policies", kind)
}

func (s *Source) confirm(ctx context.Context, kind kind) ([]discovery.ObjectID, error) {
	if err := s.cluster.same(ctx); err != nil {
		return nil, fmt.Errorf("confirm %s: %w", kind.plural, err)
	}
	// A list without a resource version is a consistent one.
	list, err := s.client.Resource(kind.resource()).List(ctx, metav1.ListOptions{})
	if err == nil {
		// Asked after the list: objects that the removal of their kind had taken by then are not believed to be gone.
		err = definitions{client: s.client}.stood(ctx, kind, s.config.Clock())
	}
	if err != nil {
		return nil, fmt.Errorf("confirm %s: %w", kind.plural, err)
	}
	ids := make([]discovery.ObjectID, 0, len(list.Items))
	for i := range list.Items {
		ids = append(ids, kind.id(&list.Items[i]))
	}
	return ids, nil
}
