package consul

import (
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/consul/api"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/discovery/hold"
	"outrigger.dev/outrigger/test/mirror"
)

// proxyOf is the sidecar that Consul's own mesh has for an instance.
func proxyOf(service, id, address string) *api.ServiceEntry {
	proxy := passing(service+"-sidecar-proxy", id+"-sidecar-proxy", address)
	proxy.Service.Kind = api.ServiceKindConnectProxy
	return proxy
}

// TestNotHeldForItsName: a service that had instances before and has none now, save a proxy or the name of a peer, is not held for
// ever because its name is listed.
func TestNotHeldForItsName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, false)
		f.put(passing("cart", "cart-1", "10.0.0.1"), proxyOf("cart", "cart-1", "10.0.0.1"))
		config := f.config()
		config.Peers = []Peer{{Name: "west", Services: []string{"till"}}}
		source := mustNew(t, config)
		before := hold.State{Services: map[discovery.ServiceID]*discovery.Service{}}
		for _, n := range []string{"cart", "cart-sidecar-proxy", "till-west"} {
			id := discovery.ServiceID{Namespace: ns, Name: n}
			before.Services[id] = &discovery.Service{ID: id}
		}
		held, err := hold.New(hold.Config{Source: source, ID: source.ID(), Logger: slog.New(slog.DiscardHandler), Before: &before})
		if err != nil {
			t.Fatal(err)
		}
		m := mirror.Start(t, held)
		m.Drain(hold.Settle)
		if s := held.Status(); len(m.Services) != 1 || len(s.Services) > 0 || s.Counts.Confirmed == 0 || s.Counts.Contradicted > 0 {
			t.Errorf("services %v; %+v", m.Services, s)
		}
	})
}

// TestConfirmLeavesRoom: second reads of everything take half of the room for reads.
func TestConfirmLeavesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, false)
		for _, n := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
			f.put(passing(n, n+"-1", "10.0.0.1"))
		}
		config := f.config()
		config.MaxInFlight = 4
		source := mustNew(t, config)
		m := mirror.Start(t, source)
		m.Await("the first state is complete", mirror.Synced)
		var lock sync.Mutex
		now, most := 0, 0
		f.set(func() {
			f.fault = func(c call, _ http.ResponseWriter) bool {
				if !c.query.Has("consistent") {
					return false
				}
				lock.Lock()
				now++
				most = max(most, now)
				lock.Unlock()
				<-time.NewTimer(time.Second).C
				lock.Lock()
				now--
				lock.Unlock()
				return false
			}
		})
		if ids, err := source.ConfirmWorkloads(t.Context()); err != nil || len(ids) != 8 || most != config.MaxInFlight/2 {
			t.Errorf("%d at once confirm %v, %v", most, ids, err)
		}
	})
}
