package kube

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/internal/conns"
	"outrigger.dev/outrigger/policy/compile"
)

// DefaultRetry is the longest wait before a cluster that cannot be asked, or a kind that is not installed, is looked at again.
const DefaultRetry = 10 * time.Second

// Config says which cluster to watch.
type Config struct {
	// Name is that of the source: kubernetes/<name>.
	Name string
	// REST says how to reach the API server.
	REST   *rest.Config
	Logger *slog.Logger
	// Clock tells the time of Update.ReadAt; nil is the machine's.
	Clock func() time.Time
	// Retry is the longest wait between two attempts; 0: DefaultRetry.
	Retry time.Duration
}

// Source watches the policies of one cluster.
type Source struct {
	config Config
	client dynamic.Interface
	dialer *conns.Dialer
	// cluster is the one that answered first.
	cluster *cluster
	stats   stats
}

// New returns a Source; it asks nothing yet.
func New(config Config) (*Source, error) {
	if config.Name == "" || config.REST == nil || config.Logger == nil {
		return nil, errors.New("policies of kubernetes: config without name, REST or logger")
	}
	if config.Clock == nil {
		config.Clock = time.Now
	}
	if config.Retry == 0 {
		config.Retry = DefaultRetry
	}
	// Connections that hang are cut, and so are nobody else's.
	dialer := conns.New(config.REST.Dial)
	config.REST = rest.CopyConfig(config.REST)
	config.REST.Dial = dialer.DialContext
	client, err := newClient(config.REST)
	if err != nil {
		return nil, err
	}
	return &Source{config: config, client: client, dialer: dialer, cluster: &cluster{client: client}}, nil
}

// newClient returns a client that never makes its callers wait for each other: they bound themselves what they ask.
func newClient(config *rest.Config) (*dynamic.DynamicClient, error) {
	config = dynamic.ConfigFor(config)
	config.QPS = -1
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("client of kubernetes at %s: %w", config.Host, err)
	}
	return client, nil
}

// ID returns the name that updates carry.
func (s *Source) ID() discovery.SourceID {
	return discovery.SourceID{Kind: "kubernetes", Name: s.config.Name}
}

// Stats returns what the source knows of its own watching. It may be called from any goroutine.
func (s *Source) Stats() discovery.Stats {
	stats := s.stats.get()
	stats.Connections = s.dialer.Count()
	return stats
}

// Run sends the full state of the cluster's policies, then what changes, until ctx ends, and returns ctx's error. A cluster that
// cannot be asked is trouble and no reason to end. It never closes out, and changes merge while nobody receives. Only one Run may go on at a time.
func (s *Source) Run(ctx context.Context, out chan<- compile.Update) error {
	s.dialer.Begin()
	defer s.dialer.Close()
	events := make(chan event)
	check := definitions{client: s.client}.stands
	group, ctx := errgroup.WithContext(ctx)
	for _, kind := range policyKinds() {
		w := &watcher{kind: kind, client: s.client, same: s.cluster.same, check: check, events: events, retry: s.config.Retry}
		group.Go(func() error { return w.run(ctx) })
	}
	group.Go(func() error {
		return conns.Heartbeat{Ask: s.cluster.same, Take: pulse{events}.take, Dialer: s.dialer}.Run(ctx)
	})
	r := newRun(s.config, s.ID(), &s.stats)
	group.Go(func() error { return r.loop(ctx, events, out) })
	return group.Wait()
}
