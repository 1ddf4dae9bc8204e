package kube

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/client-go/rest"

	"outrigger.dev/outrigger/api/v1alpha1"
	"outrigger.dev/outrigger/discovery"
)

// Config says what to watch.
type Config struct {
	// Name is that of the source: kubernetes/<name>.
	Name string
	// REST says where the API server is, and as whom to speak to it. It is copied.
	REST   *rest.Config
	Logger *slog.Logger
	// Clock tells the time; nil is the machine's.
	Clock func() time.Time
}

// Source watches one cluster.
type Source struct {
	config   Config
	counters counters
	// current is the run that goes on; nil for none.
	current atomic.Pointer[run]
}

var (
	_ discovery.Source    = (*Source)(nil)
	_ discovery.Confirmer = (*Source)(nil)
	_ discovery.Measured  = (*Source)(nil)
)

// New returns a Source; it makes no request yet.
func New(config Config) (*Source, error) {
	if config.Name == "" || config.REST == nil || config.Logger == nil {
		return nil, errors.New("kubernetes source: config without name, REST config or logger")
	}
	if config.Clock == nil {
		config.Clock = time.Now
	}
	config.REST = rest.CopyConfig(config.REST)
	return &Source{config: config}, nil
}

// ID returns the name that updates carry.
func (s *Source) ID() discovery.SourceID {
	return discovery.SourceID{Kind: Kind, Name: s.config.Name}
}

// Stats returns what the source knows of its own watching.
func (s *Source) Stats() discovery.Stats {
	connections := 0
	if r := s.current.Load(); r != nil {
		connections = r.client.dialer.Count()
	}
	return s.counters.stats(connections)
}

// run is one Run.
type run struct {
	client *client
	world  *world
	guard  *guard
}

// Run sends the state of the cluster, then what changes, until ctx ends; it
// returns ctx's error, or why no request can be made. It never closes out, and
// it goes on reading while nobody receives: changes merge. Only one Run may go
// on at a time.
func (s *Source) Run(ctx context.Context, out chan<- discovery.Update) error {
	c, err := newClient(s.config.REST)
	if err != nil {
		return err
	}
	defer c.close()
	r := &run{client: c, world: newWorld()}
	r.guard = newGuard(r.world, s.config.Clock)
	if !s.current.CompareAndSwap(nil, r) {
		return errors.New("kubernetes source: it runs already")
	}
	defer s.current.Store(nil)

	group, ctx := errgroup.WithContext(ctx)
	pulse := &heartbeat{client: c, guard: r.guard, counters: &s.counters, clock: s.config.Clock, watchers: make(map[string]*watcher)}
	for _, w := range s.watchers(r) {
		pulse.watchers[w.of.name] = w
		group.Go(func() error { return w.run(ctx) })
	}
	group.Go(func() error { return pulse.run(ctx) })
	group.Go(func() error { return newWorker(s.ID(), r.world, s.config.Clock, s.config.Logger).run(ctx, out) })
	return group.Wait()
}

// watchers are those of all kinds.
func (s *Source) watchers(r *run) []*watcher {
	lag := func(since time.Time) { s.counters.lag.Store(int64(s.config.Clock().Sub(since))) }
	slicesGroup, meshGroup := discoveryv1.SchemeGroupVersion.Group, v1alpha1.GroupVersion().Group
	watchers := []*watcher{
		{of: resource{group: corev1.GroupName, name: "services"}, sink: r.world.servicesSink()},
		{of: resource{group: slicesGroup, name: "endpointslices"}, sink: r.world.slicesSink(lag)},
		{of: resource{group: corev1.GroupName, name: "pods"}, sink: r.world.podsSink()},
		{of: resource{group: corev1.GroupName, name: "nodes"}, sink: r.world.nodesSink()},
		{of: resource{group: corev1.GroupName, name: "namespaces", auxiliary: true}, sink: r.world.namespacesSink()},
		{of: resource{group: meshGroup, name: "workloads", optional: true}, sink: r.world.machinesSink()},
	}
	for _, w := range watchers {
		w.client, w.guard, w.world, w.counters, w.clock = r.client, r.guard, r.world, &s.counters, s.config.Clock
	}
	return watchers
}
