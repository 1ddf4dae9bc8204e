package kube

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	"outrigger.dev/outrigger/api/v1alpha1"
	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/discovery/internal/machine"
)

// Confirm reads the endpoints of a service a second time, from etcd and past
// every cache. It returns nil for a service that there is not, and an error
// while no Run goes on or the API server is not to be believed: another cluster
// answers, or one that is older than it was. Endpoints that are not ready are
// unhealthy at once here.
func (s *Source) Confirm(ctx context.Context, id discovery.ServiceID) (*discovery.EndpointSet, error) {
	r := s.current.Load()
	if r == nil {
		return nil, errors.New("kubernetes source: it does not run")
	}
	if err := r.guard.trusted(ctx, r.client); err != nil {
		return nil, fmt.Errorf("confirm %s: %w", id, err)
	}
	c := &confirmation{run: r, id: id}
	f, err := c.facts(ctx)
	if err != nil {
		return nil, fmt.Errorf("confirm %s: %w", id, err)
	}
	if f.service == nil {
		return nil, nil
	}
	f.shard, f.now = discovery.ShardID{Service: id, Source: s.ID()}, s.config.Clock()
	return endpoints(f).set, nil
}

// confirmation is one second reading.
type confirmation struct {
	*run
	id     discovery.ServiceID
	intern interner
}

// facts reads what the endpoints follow from; without a service there are none.
func (c *confirmation) facts(ctx context.Context) (facts, error) {
	var f facts
	var from corev1.Service
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	err := c.client.get(resource{name: "services"}).Namespace(c.id.Namespace).Name(c.id.Name).Do(ctx).Into(&from)
	if apierrors.IsNotFound(err) {
		return f, nil
	}
	if err != nil {
		return f, fmt.Errorf("get service: %w", err)
	}
	f.service = readService(&c.intern, &from)
	if f.slices, err = c.slices(ctx); err != nil {
		return f, err
	}
	if len(f.service.selector) > 0 {
		if f.machines, err = c.machines(ctx, f.service); err != nil {
			return f, err
		}
	}
	c.world.mu.Lock()
	defer c.world.mu.Unlock()
	f.nodes = maps.Clone(c.world.nodes.items)
	return f, nil
}

func (c *confirmation) slices(ctx context.Context) ([]*slice, error) {
	of := resource{group: discoveryv1.SchemeGroupVersion.Group, name: "endpointslices"}
	var list discoveryv1.EndpointSliceList
	if err := c.list(ctx, of, labels.Set{discoveryv1.LabelServiceName: c.id.Name}.String(), &list); err != nil {
		return nil, err
	}
	all := make([]*slice, 0, len(list.Items))
	for i := range list.Items {
		all = append(all, readSlice(&c.intern, &list.Items[i]))
	}
	slices.SortFunc(all, func(a, b *slice) int { return strings.Compare(a.key.name, b.key.name) })
	return all, nil
}

func (c *confirmation) machines(ctx context.Context, s *service) ([]*machine.Machine, error) {
	var list v1alpha1.WorkloadList
	of := resource{group: v1alpha1.GroupVersion().Group, name: "workloads"}
	err := c.list(ctx, of, "", &list)
	switch {
	case apierrors.IsNotFound(err) && !c.hasMachines():
	case err != nil:
		return nil, err
	default:
		// What the removal of the kind had taken may be on its way back.
		if err := c.stood(ctx, of); err != nil {
			return nil, err
		}
	}
	found := make(map[string]*machine.Machine)
	for i := range list.Items {
		if w := readWorkload(&c.intern, &list.Items[i]); w.machine != nil {
			found[list.Items[i].Name] = w.machine
		}
	}
	return selected(s, found), nil
}

// list reads the objects of a kind in the service's namespace, consistently and whole.
func (c *confirmation) list(ctx context.Context, of resource, selector string, into runtime.Object) error {
	options := metav1.ListOptions{LabelSelector: selector}
	request := c.client.get(of).Namespace(c.id.Namespace).VersionedParams(&options, metav1.ParameterCodec)
	if err := request.Do(ctx).Into(into); err != nil {
		return fmt.Errorf("list %s: %w", of.name, err)
	}
	return nil
}
