package consul

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/consul/api"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/discovery/hold"
	"outrigger.dev/outrigger/test/mirror"
)

// demandConfirmed demands that something was read from the leader after it made sure that it still is one.
func (f *fake) demandConfirmed(path string) {
	f.t.Helper()
	asked := func(c call) bool { return c.query.Has("consistent") && !c.query.Has("stale") && c.index() == 0 }
	if calls := f.callsTo(path); !slices.ContainsFunc(calls, asked) {
		f.t.Errorf("%s was asked %v", path, calls)
	}
}

func TestConfirmIsConsistent(t *testing.T) {
	eachProtocol(t, func(t *testing.T, f *fake) {
		t.Helper()
		cart := discovery.ServiceID{Namespace: ns, Name: "cart"}
		f.put(passing("cart", "cart-1", "10.0.0.1"))
		source := f.source()
		m := mirror.Start(t, source)
		m.Await("the first state is complete", mirror.Synced)
		set, err := source.Confirm(t.Context(), cart)
		if err != nil || !set.Equal(m.Endpoints[discovery.ShardID{Service: cart, Source: source.ID()}]) {
			t.Fatalf("it confirms %+v, %v", set, err)
		}
		f.demandConfirmed(healthPath + "cart")
		f.set(func() { f.header = func(_ call, h http.Header) { h.Set(headerFiltered, "true") } })
		if set, err := source.Confirm(t.Context(), cart); err == nil {
			t.Errorf("an answer that was filtered confirms %+v", set)
		}
		if _, err := source.Confirm(t.Context(), discovery.ServiceID{Namespace: "other", Name: "cart"}); err == nil {
			t.Error("it confirms a service that is not its own")
		}
	})
}

// TestConfirmAll: second lists of services and instances are those of now, and an answer that hides something is none.
func TestConfirmAll(t *testing.T) {
	eachProtocol(t, func(t *testing.T, f *fake) {
		t.Helper()
		f.put(passing("cart", "cart-1", "10.0.0.1"), passing("cart", "cart-2", "10.0.0.2"), passing("Stock/West", "stock-1", "10.0.1.1"))
		config := f.config()
		config.Peers = []Peer{{Name: "west", Services: []string{"till"}}}
		source := mustNew(t, config)
		m := mirror.Start(t, source)
		m.Await("the first state is complete", mirror.Synced)
		f.put(proxyOf("cart", "cart-1", "10.0.0.1"))
		services, err := source.ConfirmServices(t.Context())
		known := slices.Collect(maps.Keys(m.Services))
		if slices.SortFunc(known, discovery.ServiceID.Compare); err != nil || !slices.Equal(services, known) {
			t.Errorf("the services are %v, %v; not %v", services, err, known)
		}
		f.demandConfirmed(catalogPath)
		f.demandConfirmed(healthPath + "till")
		if calls := f.callsTo(healthPath + "cart"); slices.ContainsFunc(calls, func(c call) bool { return c.query.Has("consistent") }) {
			t.Error("a service that the source tells of is read to be listed")
		}
		workloads, err := source.ConfirmWorkloads(t.Context())
		if want := slices.SortedFunc(maps.Keys(m.Workloads), discovery.WorkloadID.Compare); err != nil || !slices.Equal(workloads, want) {
			t.Errorf("the instances are %v, %v; not %v", workloads, err, want)
		}
		f.demandConfirmed(healthPath + "cart")
		f.demandConfirmed(healthPath + "till")
		for _, path := range []string{catalogPath, healthPath + "cart"} {
			f.set(func() {
				f.header = func(c call, h http.Header) {
					if c.path == path {
						h.Set(headerFiltered, "true")
					}
				}
			})
			if ids, err := source.ConfirmWorkloads(t.Context()); err == nil {
				t.Errorf("with a part of %s hidden the instances are %v", path, ids)
			}
		}
		f.set(func() { f.header = func(_ call, h http.Header) { h.Set(headerFiltered, "true") } })
		if ids, err := source.ConfirmServices(t.Context()); err == nil {
			t.Errorf("with a part hidden the services are %v", ids)
		}
	})
}

// TestConfirmWithTheNextToken: a token that rotates while something is confirmed is no failure.
func TestConfirmWithTheNextToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, false)
		f.put(passing("cart", "cart-1", "10.0.0.1"))
		config := f.config()
		config.TokenFile = filepath.Join(t.TempDir(), "token")
		writeFile(t, config.TokenFile, "first")
		source := mustNew(t, config)
		m := mirror.Start(t, source)
		m.Await("the first state is complete", mirror.Synced)
		ctx, release := context.WithCancel(t.Context())
		f.set(func() {
			f.fault = func(c call, _ http.ResponseWriter) bool {
				if c.token == "first" && c.query.Has("consistent") {
					<-ctx.Done()
				}
				return false
			}
		})
		done := make(chan error, 1)
		go func() {
			ids, err := source.ConfirmWorkloads(t.Context())
			if len(ids) != 1 {
				t.Errorf("the instances are %v", ids)
			}
			done <- err
		}()
		synctest.Wait()
		writeFile(t, config.TokenFile, "second")
		m.Drain(2 * config.Recheck)
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("it ends with %v", err)
			}
		case <-time.NewTimer(time.Minute).C:
			t.Error("it does not end")
		}
		release()
	})
}

// TestMassIsConfirmed: instances that went in masses while Consul was away are gone once a second list lacks them too, and
// not after minutes. Their endpoints had drained, so that it is not these that are asked for.
func TestMassIsConfirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, false)
		f.put(passing("cart", "cart-1", "10.0.0.1"), passing("cart", "cart-2", "10.0.0.2"))
		source := f.source()
		held, err := hold.New(hold.Config{Source: source, ID: source.ID(), Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		m := mirror.Start(t, held)
		m.Await("the first state is complete", mirror.Synced)
		leaving := passing("cart", "cart-2", "10.0.0.2")
		leaving.Checks[0].CheckID, leaving.Checks[0].Status = api.ServiceMaintPrefix+"cart-2", api.HealthCritical
		f.put(leaving)
		m.Await("one drains", mirror.Has(ns, "cart", "10.0.0.1:8080", "10.0.0.2:8080 draining"))
		f.set(func() {
			f.fault = func(_ call, w http.ResponseWriter) bool {
				http.Error(w, "", http.StatusInternalServerError)
				return true
			}
		})
		f.abandon()
		m.Await("trouble is told", mirror.Troubled)
		f.remove("cart", "node-cart-2", "cart-2")
		m.Drain(time.Minute)
		if len(m.Workloads) != 2 {
			t.Errorf("in trouble there are\n%s", m)
		}
		f.set(func() { f.fault = nil })
		began := time.Now()
		m.Await("it is gone", func(m *mirror.Mirror) bool { return m.Trouble == nil && len(m.Workloads) == 1 })
		if took := time.Since(began); took > hold.Settle || held.Status().Counts.Confirmed == 0 {
			t.Errorf("it took %s; %+v", took, held.Status())
		}
		f.demandConfirmed(catalogPath)
	})
}
