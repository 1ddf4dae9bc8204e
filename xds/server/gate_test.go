package server

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"

	"outrigger.dev/outrigger/xds/cache"
)

// hears reports whether the stream has said that it wants to hear its client.
func (f *fakeCarrier) hears() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.events != nil
}

// TestWhoWaitsIsNotListenedTo: of a stream that waits at the gate nothing is read, so that its transport lets next to nothing
// of it come; once it is let in it is heard.
func TestWhoWaitsIsNotListenedTo(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		t.Helper()
		m := newMesh(t, func(c *Config) { c.Limits.Opening = 1 })
		m.admit("web")
		m.server.gate.slots <- struct{}{}
		var sent int
		f := serveFake(t, m, func(responses []*response) bool { sent += len(responses); return true })
		if f.hears() {
			t.Error("it is heard before its turn")
		}
		m.server.gate.leave()
		synctest.Wait()
		if !f.hears() {
			t.Fatal("it is not heard")
		}
		f.say(&request{first: true, node: webNode(), typ: cache.Cluster, known: true})
		synctest.Wait()
		if sent != 1 {
			t.Errorf("%d responses", sent)
		}
	})
}

// TestWhoWaitsMayGo: a stream whose client goes while it waits at the gate ends, and takes no place.
func TestWhoWaitsMayGo(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		t.Helper()
		m := newMesh(t, func(c *Config) { c.Limits.Opening = 1 })
		m.admit("web")
		m.server.gate.slots <- struct{}{}
		f := serveFake(t, m, nil)
		f.cut()
		synctest.Wait()
		if len(f.ended) != 1 || len(m.server.open()) != 0 {
			t.Errorf("it goes on: %d streams", len(m.server.open()))
		}
		m.server.gate.leave()
	})
}

// TestOpeningIsCharged: a client that has nothing costs those behind it more than one that has all.
func TestOpeningIsCharged(t *testing.T) {
	const resources = 1000
	for name, test := range map[string]struct {
		versions map[string]string
		want     time.Duration
	}{
		"has something": {map[string]string{"0": "1"}, openingCost + resources*matchingCost},
		"has nothing":   {nil, openingCost + resources*sendingCost},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				t.Helper()
				m := newMesh(t, nil)
				all := make([]*cache.Resource, resources)
				for i := range all {
					all[i] = cache.NewResource(cache.ResourceConfig{Type: cache.Cluster, Name: fmt.Sprint(i), Version: "1"})
				}
				m.publishWeb(all...)
				before := m.server.gate.work.Tokens()
				c := m.connect("web", "token-of-web")
				c.send(&discovery.DeltaDiscoveryRequest{TypeUrl: cache.Cluster.URL(), InitialResourceVersions: test.versions})
				synctest.Wait()
				if c.next() == nil {
					t.Fatalf("no answer: %v", c.ended())
				}
				if spent := time.Duration(before-m.server.gate.work.Tokens()) * time.Microsecond; spent != test.want {
					t.Errorf("cost %s, want %s", spent, test.want)
				}
			})
		})
	}
}

// TestChargeIsPaidByTheNext: what one turns out to cost is waited for by who enters then.
func TestChargeIsPaidByTheNext(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		t.Helper()
		m := newMesh(t, func(c *Config) { c.Limits.OpeningWork = time.Second })
		g := m.server.gate
		for _, step := range []struct{ cost, charge, want time.Duration }{
			{100 * time.Millisecond, 50 * time.Millisecond, 0},
			{100 * time.Millisecond, 100 * time.Millisecond, 0},
			{100 * time.Millisecond, time.Hour, 200 * time.Millisecond},
			{0, 0, 250 * time.Millisecond},
		} {
			begun := time.Now()
			if err := g.enter(t.Context(), nil, step.cost); err != nil {
				t.Fatal(err)
			}
			if got := time.Since(begun); got.Round(time.Millisecond) != step.want {
				t.Errorf("waited for %s, want %s", got, step.want)
			}
			g.leave()
			g.charge(step.charge)
		}
	})
}
