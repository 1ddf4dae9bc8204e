package kube

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"outrigger.dev/outrigger/api/v1alpha1"
	"outrigger.dev/outrigger/discovery"
)

var (
	_ discovery.ServiceConfirmer  = (*Source)(nil)
	_ discovery.WorkloadConfirmer = (*Source)(nil)
)

// youngLimit is for how long a list of a kind proves nothing that was installed while the source ran.
const youngLimit = 5 * time.Minute

// ConfirmServices lists the Services a second time, from etcd and past every
// cache, sorted. It returns an error in the same cases as Confirm.
func (s *Source) ConfirmServices(ctx context.Context) ([]discovery.ServiceID, error) {
	second := newWorld()
	err := s.readAgain(ctx, &watcher{of: resource{group: corev1.GroupName, name: "services"}, sink: second.servicesSink()})
	if err != nil {
		return nil, fmt.Errorf("confirm all services: %w", err)
	}
	ids := make([]discovery.ServiceID, 0, len(second.services.items))
	for k := range second.services.items {
		ids = append(ids, discovery.ServiceID{Namespace: k.namespace, Name: k.name})
	}
	slices.SortFunc(ids, discovery.ServiceID.Compare)
	return ids, nil
}

// ConfirmWorkloads lists the pods and Workloads that are of use a second time,
// from etcd and past every cache, sorted. It returns an error in the same cases
// as Confirm, while the kind Workload is on its way out, and for five minutes
// after it was installed while the source ran: then it may have been there
// before, and its objects are on their way back.
func (s *Source) ConfirmWorkloads(ctx context.Context) ([]discovery.WorkloadID, error) {
	second := newWorld()
	err := s.readAgain(
		ctx,
		&watcher{of: resource{group: corev1.GroupName, name: "pods"}, sink: second.podsSink()},
		&watcher{of: resource{group: v1alpha1.GroupVersion().Group, name: "workloads", optional: true}, sink: second.machinesSink()},
	)
	if err != nil {
		return nil, fmt.Errorf("confirm all workloads: %w", err)
	}
	ids := make([]discovery.WorkloadID, 0, len(second.pods.items)+len(second.machines.items))
	for _, p := range second.pods.items {
		if p.workload != nil {
			ids = append(ids, p.workload.ID)
		}
	}
	for _, w := range second.machines.items {
		if model := w.model(); model != nil {
			ids = append(ids, model.ID)
		}
	}
	slices.SortFunc(ids, discovery.WorkloadID.Compare)
	return slices.Compact(ids), nil
}

// readAgain reads whole kinds a second time, each into the sink of a watcher that does not run.
func (s *Source) readAgain(ctx context.Context, kinds ...*watcher) error {
	r := s.current.Load()
	if r == nil {
		return errors.New("kubernetes source: it does not run")
	}
	if err := r.guard.trusted(ctx, r.client); err != nil {
		return err
	}
	for _, w := range kinds {
		w.client = r.client
		w.sink.begin()
		version, err := w.listPages(ctx)
		if err = r.judgeAgain(ctx, w.of, version, err); err != nil {
			return err
		}
		w.sink.replace()
	}
	return nil
}

// judgeAgain returns why the second list of a kind does not count. What the list itself ended with is part of that.
func (r *run) judgeAgain(ctx context.Context, of resource, version string, err error) error {
	if of.optional && apierrors.IsNotFound(err) && !r.hasMachines() {
		return nil
	}
	if err != nil {
		return err
	}
	if of.optional {
		// Asked after the list: what the removal of the kind had taken by then is not gone.
		if err := r.stood(ctx, of); err != nil {
			return err
		}
	}
	return r.guard.reaches(of.name, version)
}

// stood returns an error unless the definition of a kind stands, and has stood for long enough.
func (r *run) stood(ctx context.Context, of resource) error {
	made, err := r.client.defined(ctx, of)
	if err != nil {
		return err
	}
	if made.After(r.guard.began) && r.guard.clock().Sub(made) < youngLimit {
		return fmt.Errorf("CustomResourceDefinition %s.%s was made at %s, its objects may be on their way back: %w", of.name, of.group, made.UTC().Format(time.RFC3339), ErrMissing)
	}
	return nil
}

// hasMachines reports whether the cluster knew the kind Workload, and had some.
func (r *run) hasMachines() bool {
	r.world.mu.Lock()
	defer r.world.mu.Unlock()
	return len(r.world.machines.items) > 0
}

// reaches returns an error for a version of a kind that is older than what was seen.
func (g *guard) reaches(part, version string) error {
	g.world.mu.Lock()
	defer g.world.mu.Unlock()
	if number, ok := parseVersion(version); ok && number < g.highest[part] {
		return fmt.Errorf("%s: %w", part, ErrOlder)
	}
	return nil
}
