package consul

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/consul/api"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/test/mirror"
)

// instancesOf decodes rows of a service.
func instancesOf(t *testing.T, service string, rows ...*api.ServiceEntry) instances {
	t.Helper()
	f := &fake{t: t, rows: map[string][]*api.ServiceEntry{service: rows}}
	d := &instanceDecoder{namespace: ns, name: name{service: service}, remote: func(string) bool { return false }}
	list, err := d.read(f.body(call{path: healthPath + service}))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// An instance that is registered anew under another service is never lost, whichever service is read first.
func TestInstanceMovesToAnotherService(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, order := range [][]string{{"old", "new"}, {"new", "old"}} {
		m := newMesh(&Config{Name: "test", MeshNamespace: ns, Linger: time.Minute})
		m.list([]name{{service: "new"}, {service: "old"}}, false, now)
		m.put(name{service: "old"}, instancesOf(t, "old", passing("old", "i", "10.0.0.1")), false, now)
		m.settle(now)
		m.commit()
		for _, service := range order {
			var list instances
			if service == "new" {
				list = instancesOf(t, "new", passing("new", "i", "10.0.0.1"))
			}
			m.put(name{service: service}, list, false, now)
			m.settle(now)
		}
		id := discovery.WorkloadID{Namespace: ns, Name: "node-i.i"}
		if w := m.workloads.Get(id); w == nil || w.Labels[labelService] != "new" {
			t.Errorf("read as %v: the instance is %+v", order, w)
		}
	}
}

// A service whose label another one takes moves to another id, and neither is lost.
func TestNamesThatClash(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	m := newMesh(&Config{Name: "test", MeshNamespace: ns, Linger: time.Minute})
	first, second := name{service: "Cart"}, name{service: "cart-6d2d59"}
	m.list([]name{first}, false, now)
	m.put(first, instancesOf(t, "Cart", passing("Cart", "a", "10.0.0.1")), false, now)
	m.settle(now)
	// Nothing is sent, so that what is pending is all that there is.
	taken := discovery.ServiceID{Namespace: ns, Name: "cart-6d2d59"}
	if all := m.pending(); all.Services[taken] == nil || all.Services[taken].Registered != "Cart" {
		t.Fatalf("there is %v", all.Services)
	}
	m.list([]name{first, second}, false, now)
	m.put(second, instancesOf(t, second.service, passing(second.service, "b", "10.0.0.2")), false, now)
	m.settle(now)
	all := m.pending()
	if s := all.Services[taken]; s == nil || s.Registered != "" || len(all.Services) != 2 || len(all.Endpoints) != 2 {
		t.Errorf("there is %v", all.Services)
	}
	if problems := all.Problems[objectOf(ns, first)]; len(problems) != 1 || problems[0].Reason != problemNameClash {
		t.Errorf("the problems are %v", all.Problems)
	}
	m.list([]name{first}, false, now)
	m.confirm(now.Add(time.Hour))
	m.settle(now)
	all = m.pending()
	if s := all.Services[taken]; s == nil || s.Registered != "Cart" || len(all.Services) != 1 || len(all.Problems) != 0 {
		t.Errorf("afterwards there is %v, with problems %v", all.Services, all.Problems)
	}
}

// What is gone once nothing is hidden any more is gone, though the answer is the same as the filtered one before.
func TestConsul04GoneBehindTheFilter(t *testing.T) {
	eachProtocol(t, func(t *testing.T, f *fake) {
		t.Helper()
		f.put(passing("cart", "cart-1", "10.0.0.1"), passing("cart", "cart-2", "10.0.0.2"))
		m := mirror.Start(t, f.source())
		m.Await("the first state is complete", mirror.Synced)
		f.set(func() { f.header = func(_ call, h http.Header) { h.Set(headerFiltered, "true") } })
		f.remove("cart", "node-cart-2", "cart-2")
		m.Await("trouble is told", mirror.Troubled)
		m.Drain(time.Minute)
		if !mirror.Has(ns, "cart", "10.0.0.1:8080", "10.0.0.2:8080")(m) {
			t.Errorf("a filtered answer took something away: %v", m.Addresses(ns, "cart"))
		}
		f.set(func() { f.header = nil })
		m.Await("it is gone", mirror.Has(ns, "cart", "10.0.0.1:8080"))
		m.Await("all is well", mirror.Well)
	})
}

// Whatever happens while nobody receives, the reader comes to the state of the registry.
func TestManyChangesWhileNobodyReceives(t *testing.T) {
	eachProtocol(t, func(t *testing.T, f *fake) {
		t.Helper()
		f.put(passing("cart", "cart-1", "10.0.0.1"), passing("stock", "stock-1", "10.0.1.1"))
		m := mirror.Start(t, f.source())
		m.Await("the first state is complete", mirror.Synced)
		for _, address := range []string{"10.0.0.2", "10.0.0.3", "10.0.0.4"} {
			f.put(passing("cart", "cart-1", address), passing("other", "other-1", address))
			time.Sleep(time.Minute) //nolint:forbidigo // In a bubble: with nobody receiving.
			f.remove("other", "node-other-1", "other-1")
		}
		time.Sleep(time.Hour) //nolint:forbidigo // In a bubble: with nobody receiving.
		synctest.Wait()
		updates := m.Await("the last state is there", mirror.Has(ns, "cart", "10.0.0.4:8080"))
		if len(updates) > 2 || len(m.Services) != 2 {
			t.Errorf("%d updates, and then there is\n%s", len(updates), m)
		}
	})
}

// A stream does not say that access rules hide something: what it lacks is asked of the leader first.
func TestConsul17StreamLacksRows(t *testing.T) {
	for name, filtered := range map[string]bool{"hidden": true, "gone": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, false)
				f.put(passing("cart", "cart-1", "10.0.0.1"), passing("cart", "cart-2", "10.0.0.2"))
				hidden := false
				f.header = func(c call, h http.Header) {
					switch {
					case c.path == healthPath+"cart" && c.index() > 0:
						h.Set(headerBackend, "streaming")
						h.Del(headerKnownLeader)
					case hidden:
						h.Set(headerFiltered, "true")
					}
				}
				m := mirror.Start(t, f.source())
				m.Await("the first state is complete", mirror.Synced)
				f.set(func() { hidden = filtered })
				f.remove("cart", "node-cart-2", "cart-2")
				if !filtered {
					m.Await("it is gone", mirror.Has(ns, "cart", "10.0.0.1:8080"))
					return
				}
				updates := m.Await("trouble is told", mirror.Troubled)
				updates = append(updates, m.Drain(10*time.Minute)...)
				for _, u := range updates {
					if len(u.Services)+len(u.Endpoints)+len(u.Workloads) > 0 || u.Trouble == nil {
						t.Errorf("what a stream lacked was believed: %+v", u)
					}
				}
				f.set(func() { hidden = false })
				m.Await("it is gone", mirror.Has(ns, "cart", "10.0.0.1:8080"))
				m.Await("all is well", mirror.Well)
			})
		})
	}
}
