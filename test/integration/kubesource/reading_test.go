package kubesource_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/discovery/kube"
)

// patience is how long a test waits for what must come.
const patience = 60 * time.Second

// reading is a source that runs, and what its updates add up to.
type reading struct {
	t         *testing.T
	source    *kube.Source
	updates   chan discovery.Update
	services  map[discovery.ServiceID]*discovery.Service
	endpoints map[discovery.ServiceID]*discovery.EndpointSet
	workloads map[discovery.WorkloadID]*discovery.Workload
	nodes     map[string]*discovery.Node
	synced    bool
	trouble   error
}

// read runs a source until the test ends.
func read(t *testing.T, source *kube.Source) *reading {
	t.Helper()
	r := &reading{
		t: t, source: source, updates: make(chan discovery.Update),
		services: make(map[discovery.ServiceID]*discovery.Service), endpoints: make(map[discovery.ServiceID]*discovery.EndpointSet),
		workloads: make(map[discovery.WorkloadID]*discovery.Workload), nodes: make(map[string]*discovery.Node),
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- source.Run(ctx, r.updates) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Run returned %v", err)
		}
	})
	return r
}

// await takes updates until done, and fails the test when that does not come.
func (r *reading) await(what string, done func() bool) {
	r.t.Helper()
	r.within(patience, what, done)
}

func (r *reading) within(limit time.Duration, what string, done func() bool) {
	r.t.Helper()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for !done() {
		select {
		case update := <-r.updates:
			r.take(update)
		case <-timer.C:
			r.t.Fatalf("%s does not come in %v; trouble %v, endpoints %v", what, limit, r.trouble, r.endpoints)
		}
	}
}

// quiet takes updates for a while, and fails the test as soon as held is not so.
func (r *reading) quiet(d time.Duration, what string, held func() bool) {
	r.t.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case update := <-r.updates:
			if r.take(update); !held() {
				r.t.Fatalf("not any more: %s; trouble %v", what, r.trouble)
			}
		case <-timer.C:
			return
		}
	}
}

func (r *reading) take(update discovery.Update) {
	r.synced, r.trouble = r.synced || update.Synced, update.Trouble
	put(r.services, update.Services, func(id discovery.ServiceID) discovery.ServiceID { return id })
	put(r.endpoints, update.Endpoints, func(id discovery.ShardID) discovery.ServiceID { return id.Service })
	put(r.workloads, update.Workloads, func(id discovery.WorkloadID) discovery.WorkloadID { return id })
	put(r.nodes, update.Nodes, func(name string) string { return name })
}

func put[K, L comparable, V any](into map[L]*V, from map[K]*V, key func(K) L) {
	for k, v := range from {
		if into[key(k)] = v; v == nil {
			delete(into, key(k))
		}
	}
}

func (r *reading) inGoodOrder() bool { return r.synced && r.trouble == nil }

// has says that a service of shop has exactly these endpoints: "10.0.0.1:8080 healthy".
func (r *reading) has(service string, want ...string) func() bool {
	return func() bool { return slices.Equal(r.print(service), want) }
}

func (r *reading) print(service string) []string {
	set := r.endpoints[discovery.ServiceID{Namespace: "shop", Name: service}]
	return printSet(set)
}

// printSet lists endpoints, port by port.
func printSet(set *discovery.EndpointSet) []string {
	var lines []string
	if set == nil {
		return lines
	}
	for _, port := range set.Ports {
		for _, e := range port.Endpoints {
			line := fmt.Sprintf("%d %s %s", port.Port, e.Address, e.Health)
			for _, other := range e.Additional {
				line += " or " + other.String()
			}
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}
