package sourcetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"outrigger.dev/outrigger/discovery"
)

// patience is how long the suite waits for something that must come.
const patience = 20 * time.Second

// state is what the updates of a source add up to.
type state struct {
	synced     bool
	trouble    error
	services   map[discovery.ServiceID]*discovery.Service
	endpoints  map[discovery.ShardID]*discovery.EndpointSet
	workloads  map[discovery.WorkloadID]*discovery.Workload
	nodes      map[string]*discovery.Node
	namespaces map[string]*discovery.Namespace
}

// reader runs a source, merges what it sends, and checks every update.
type reader struct {
	t       *testing.T
	updates chan discovery.Update
	ended   chan error
	stop    context.CancelFunc
	source  discovery.SourceID
	state
}

// read starts the source. Nothing is received until the first await.
func read(t *testing.T, source discovery.Source) *reader {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	r := &reader{
		t: t, stop: stop, updates: make(chan discovery.Update), ended: make(chan error, 1),
		state: state{
			services:   make(map[discovery.ServiceID]*discovery.Service),
			endpoints:  make(map[discovery.ShardID]*discovery.EndpointSet),
			workloads:  make(map[discovery.WorkloadID]*discovery.Workload),
			nodes:      make(map[string]*discovery.Node),
			namespaces: make(map[string]*discovery.Namespace),
		},
	}
	go func() { r.ended <- source.Run(ctx, r.updates) }()
	return r
}

// close ends the source and demands that it returns soon, with ctx's error, and left the channel open.
func (r *reader) close() {
	r.t.Helper()
	r.stop()
	select {
	case err := <-r.ended:
		if !errors.Is(err, context.Canceled) {
			r.t.Errorf("Run returned %v, not the error of its context", err)
		}
	case <-time.NewTimer(patience).C:
		r.t.Fatal("Run does not return when its context ends")
	}
	select {
	case _, open := <-r.updates:
		if !open {
			r.t.Error("Run closed the channel")
		}
	default:
	}
}

// await receives updates until done; it returns them.
func (r *reader) await(what string, done func(s *state) bool) []discovery.Update {
	r.t.Helper()
	var received []discovery.Update
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for !done(&r.state) {
		select {
		case update := <-r.updates:
			r.take(update)
			received = append(received, update)
		case err := <-r.ended:
			r.ended <- err
			r.t.Fatalf("waiting until %s: Run returned %v", what, err)
		case <-timeout.C:
			r.t.Fatalf("waiting until %s: it does not come; there is\n%s", what, &r.state)
		}
	}
	return received
}

// take merges an update, key by key, and checks it.
func (r *reader) take(update discovery.Update) {
	r.t.Helper()
	if r.source == (discovery.SourceID{}) {
		r.source = update.Source
	}
	if update.Source != r.source || update.Source == (discovery.SourceID{}) {
		r.t.Errorf("an update of source %q, after those of %q", update.Source, r.source)
	}
	if update.Synced && r.synced {
		r.t.Error("a second update says that the first state is complete")
	}
	r.synced = r.synced || update.Synced
	r.trouble = update.Trouble
	merge(r.t, r.services, update.Services, (*discovery.Service).Equal)
	merge(r.t, r.endpoints, update.Endpoints, (*discovery.EndpointSet).Equal)
	merge(r.t, r.workloads, update.Workloads, (*discovery.Workload).Equal)
	merge(r.t, r.nodes, update.Nodes, (*discovery.Node).Equal)
	merge(r.t, r.namespaces, update.Namespaces, (*discovery.Namespace).Equal)
	r.checkValues(update)
	r.checkPlaces(update)
}

// merge puts upserts into a map; those that change nothing are errors.
func merge[K comparable, V any](t *testing.T, into, from map[K]*V, equal func(a, b *V) bool) {
	t.Helper()
	for key, value := range from {
		before, known := into[key]
		switch {
		case value == nil && !known:
			t.Errorf("%v is gone and was never there", key)
		case value == nil:
			delete(into, key)
		case known && equal(before, value):
			t.Errorf("%v is sent again and did not change", key)
		default:
			into[key] = value
		}
	}
}

// String names what there is, for failures.
func (s *state) String() string {
	var lines []string
	for id, service := range s.services {
		lines = append(lines, fmt.Sprintf("service %s %v %v", id, service.VIPs, service.Ports))
	}
	for id, set := range s.endpoints {
		lines = append(lines, fmt.Sprintf("endpoints %s %v", id, set.Ports))
	}
	for id, workload := range s.workloads {
		lines = append(lines, fmt.Sprintf("workload %s %v", id, workload.Addresses))
	}
	for name, node := range s.nodes {
		lines = append(lines, fmt.Sprintf("node %s ready %t", name, node.Ready))
	}
	for name, namespace := range s.namespaces {
		lines = append(lines, fmt.Sprintf("namespace %s %v terminating %t", name, namespace.Labels, namespace.Terminating))
	}
	slices.Sort(lines)
	lines = append(lines, fmt.Sprintf("synced %t, trouble %v", s.synced, s.trouble))
	return strings.Join(lines, "\n")
}

// clone returns what there is now.
func (s *state) clone() *state {
	return &state{
		synced: s.synced, trouble: s.trouble,
		services: maps.Clone(s.services), endpoints: maps.Clone(s.endpoints), workloads: maps.Clone(s.workloads),
		nodes: maps.Clone(s.nodes), namespaces: maps.Clone(s.namespaces),
	}
}

// equal reports whether both hold the same values.
func (s *state) equal(other *state) bool {
	return maps.EqualFunc(s.services, other.services, (*discovery.Service).Equal) &&
		maps.EqualFunc(s.endpoints, other.endpoints, (*discovery.EndpointSet).Equal) &&
		maps.EqualFunc(s.workloads, other.workloads, (*discovery.Workload).Equal) &&
		maps.EqualFunc(s.nodes, other.nodes, (*discovery.Node).Equal) &&
		maps.EqualFunc(s.namespaces, other.namespaces, (*discovery.Namespace).Equal)
}
