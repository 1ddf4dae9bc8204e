// Package mirror runs a source for a test, adds up what it sends, and waits for what must come.
//
// It imports discovery only, and is never part of a binary.
package mirror

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

// patience is how long Await waits.
const patience = 2 * time.Minute

// Mirror is what a source has sent so far. The goroutine of the test owns it.
type Mirror struct {
	Synced    bool
	Trouble   error
	Services  map[discovery.ServiceID]*discovery.Service
	Endpoints map[discovery.ShardID]*discovery.EndpointSet
	Workloads map[discovery.WorkloadID]*discovery.Workload
	Problems  map[discovery.ObjectID][]discovery.Problem
	// Log holds every update in order.
	Log []discovery.Update

	tb      testing.TB
	updates chan discovery.Update
	ended   chan error
	stop    context.CancelFunc
}

// Start runs a source until the test ends or Stop.
func Start(tb testing.TB, source discovery.Source) *Mirror {
	tb.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(tb.Context()))
	m := &Mirror{
		Services:  make(map[discovery.ServiceID]*discovery.Service),
		Endpoints: make(map[discovery.ShardID]*discovery.EndpointSet),
		Workloads: make(map[discovery.WorkloadID]*discovery.Workload),
		Problems:  make(map[discovery.ObjectID][]discovery.Problem),
		tb:        tb, updates: make(chan discovery.Update), ended: make(chan error, 1), stop: stop,
	}
	go func() { m.ended <- source.Run(ctx, m.updates) }()
	tb.Cleanup(m.Stop)
	return m
}

// Stop ends the source and waits for it.
func (m *Mirror) Stop() {
	m.tb.Helper()
	m.stop()
	err := <-m.ended
	if !errors.Is(err, context.Canceled) {
		m.tb.Errorf("Run returned %v", err)
	}
	m.ended <- err
}

// Await takes updates until done says so; it returns those that it took.
func (m *Mirror) Await(what string, done func(m *Mirror) bool) []discovery.Update {
	m.tb.Helper()
	first := len(m.Log)
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for !done(m) {
		select {
		case update := <-m.updates:
			m.take(update)
		case err := <-m.ended:
			m.ended <- err
			m.tb.Fatalf("waiting until %s: Run returned %v", what, err)
		case <-timeout.C:
			m.tb.Fatalf("waiting until %s: it does not come; there is\n%s", what, m)
		}
	}
	return m.Log[first:]
}

// Drain takes updates for a time, for what must not come.
func (m *Mirror) Drain(d time.Duration) []discovery.Update {
	first := len(m.Log)
	timeout := time.NewTimer(d)
	defer timeout.Stop()
	for {
		select {
		case update := <-m.updates:
			m.take(update)
		case <-timeout.C:
			return m.Log[first:]
		}
	}
}

func (m *Mirror) take(update discovery.Update) {
	m.Log = append(m.Log, update)
	m.Synced = m.Synced || update.Synced
	m.Trouble = update.Trouble
	merge(m.Services, update.Services)
	merge(m.Endpoints, update.Endpoints)
	merge(m.Workloads, update.Workloads)
	for id, problems := range update.Problems {
		if m.Problems[id] = problems; len(problems) == 0 {
			delete(m.Problems, id)
		}
	}
}

func merge[K comparable, V any](into, from map[K]*V) {
	maps.Copy(into, from)
	maps.DeleteFunc(into, func(_ K, value *V) bool { return value == nil })
}

// Addresses are those of a service's endpoints in all shards, sorted, host names with them. An endpoint that is not healthy has
// its health behind it, such as "10.0.0.1:80 draining".
func (m *Mirror) Addresses(namespace, name string) []string {
	found := []string{}
	add := func(address string, health discovery.Health) {
		if health != discovery.Healthy {
			address += " " + health.String()
		}
		found = append(found, address)
	}
	for shard, set := range m.Endpoints {
		if shard.Service.Namespace != namespace || shard.Service.Name != name {
			continue
		}
		for _, port := range set.Ports {
			for _, e := range port.Endpoints {
				add(e.Address.String(), e.Health)
			}
			for _, h := range port.Hosts {
				add(fmt.Sprintf("%s:%d", h.Name, h.Port), h.Health)
			}
		}
	}
	slices.Sort(found)
	return found
}

// Has returns a condition: the service has these addresses, as Addresses writes them.
func Has(namespace, name string, addresses ...string) func(m *Mirror) bool {
	return func(m *Mirror) bool { return slices.Equal(m.Addresses(namespace, name), addresses) }
}

// Synced is a condition: the first state is complete.
func Synced(m *Mirror) bool { return m.Synced }

// Troubled is a condition: the source says that it is in trouble.
func Troubled(m *Mirror) bool { return m.Trouble != nil }

// Well is a condition: the first state is complete, and there is no trouble.
func Well(m *Mirror) bool { return m.Synced && m.Trouble == nil }

// String names what there is, for failures.
func (m *Mirror) String() string {
	var lines []string
	for id, service := range m.Services {
		lines = append(lines, fmt.Sprintf("service %s %v %v", id, service.VIPs, service.Ports))
	}
	for id, set := range m.Endpoints {
		lines = append(lines, fmt.Sprintf("endpoints %s %v", id, set.Ports))
	}
	for id, workload := range m.Workloads {
		lines = append(lines, fmt.Sprintf("workload %s %v %s", id, workload.Addresses, workload.Health))
	}
	slices.Sort(lines)
	if len(lines) > 50 {
		lines = append(lines[:50], fmt.Sprintf("and %d more", len(lines)-50))
	}
	lines = append(lines, fmt.Sprintf("synced %t, trouble %v", m.Synced, m.Trouble))
	return strings.Join(lines, "\n")
}
