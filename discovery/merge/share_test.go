package merge_test

import (
	"fmt"
	"math"
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/discovery/merge"
)

// TestShareIsExact: of what is due to usable endpoints, exactly the share is due to the joined part.
func TestShareIsExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		share := rapid.Uint8Range(1, 99).Draw(t, "share")
		own, joined := drawPart(t, 10), drawPart(t, 11)
		own[0].Health, joined[0].Health = discovery.Healthy, discovery.Healthy
		w := shared(t, share, own, joined)
		ours, theirs := w.port(cart, kube, 80).Endpoints, w.port(cart, consul, 80).Endpoints
		a, allOurs := weights(ours)
		b, allTheirs := weights(theirs)
		if b*100 != (a+b)*uint64(share) {
			t.Fatalf("%d of %d is not %d %%", b, a+b, share)
		}
		if allOurs+allTheirs > math.MaxUint32 {
			t.Fatalf("all weights together are %d, which Envoy refuses", allOurs+allTheirs)
		}
		if len(ours) != len(own) || len(theirs) != len(joined) {
			t.Fatalf("%d and %d endpoints are left of %d and %d", len(ours), len(theirs), len(own), len(joined))
		}
	})
}

// drawPart draws endpoints of moderate weights, of great ones, or of many.
func drawPart(t *rapid.T, net byte) []discovery.Endpoint {
	limit := rapid.SampledFrom([]uint32{1, 3, 100, 65535, 1 << 30}).Draw(t, "limit")
	list := make([]discovery.Endpoint, rapid.SampledFrom([]int{1, 2, 3, 7, 300}).Draw(t, "count"))
	for i := range list {
		list[i] = discovery.Endpoint{
			Address: netip.AddrPortFrom(netip.AddrFrom4([4]byte{net, 0, byte(i >> 8), byte(i)}), 80),
			Weight:  limit - uint32(i)%limit, Health: drawHealth(t),
		}
	}
	return list
}

func shared(t rapid.TB, share uint8, own, joined []discovery.Endpoint) *world {
	t.Helper()
	m, w := merge.New(), newWorld()
	for _, u := range []discovery.Update{
		said(kube, serviceOf(cart, joinOf(int(share)), 80), at(80, own...)), said(consul, serviceOf(basket, nil, 80), at(80, joined...)),
	} {
		if err := w.apply(m.Apply(u)); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func weights(list []discovery.Endpoint) (usable, all uint64) {
	for _, e := range list {
		all += uint64(e.Weight)
		if e.Health == discovery.Healthy {
			usable += uint64(e.Weight)
		}
	}
	return usable, all
}

// TestWhoServes: which part serves at all, by share and health.
func TestWhoServes(t *testing.T) {
	t.Parallel()
	const none = discovery.Health(255)
	for _, test := range []struct {
		share         uint8
		own, joined   discovery.Health
		ours, theirs  bool
		weighO, weigh uint32
	}{
		{0, discovery.Healthy, discovery.Healthy, true, false, 1, 1},
		{100, discovery.Healthy, discovery.Healthy, false, true, 1, 1},
		{30, discovery.Healthy, discovery.Healthy, true, true, 7, 3},
		{30, discovery.Healthy, discovery.Degraded, true, true, 7, 3},
		{30, discovery.Healthy, discovery.Unhealthy, true, false, 1, 1},
		{30, discovery.Draining, discovery.Healthy, false, true, 1, 1},
		{0, discovery.Unhealthy, discovery.Healthy, false, true, 1, 1},
		{100, discovery.Healthy, discovery.Draining, true, false, 1, 1},
		{30, discovery.Unhealthy, discovery.Draining, true, true, 1, 1},
		{0, none, discovery.Healthy, false, true, 0, 1},
		{100, discovery.Healthy, none, true, false, 1, 0},
		{0, none, discovery.Unhealthy, false, true, 0, 1},
	} {
		t.Run(fmt.Sprintf("%d %s %s", test.share, test.own, test.joined), func(t *testing.T) {
			t.Parallel()
			part := func(address string, health discovery.Health) []discovery.Endpoint {
				if health == none {
					return nil
				}
				e := endpoint(address)
				e.Health = health
				return []discovery.Endpoint{e}
			}
			w := shared(t, test.share, part("10.0.0.1:80", test.own), part("10.9.0.1:80", test.joined))
			for _, side := range []struct {
				source discovery.SourceID
				serves bool
				weight uint32
			}{{kube, test.ours, test.weighO}, {consul, test.theirs, test.weigh}} {
				list := w.port(cart, side.source, 80).Endpoints
				if (side.weight == 0) != (len(list) == 0) {
					t.Fatalf("%s has %v", side.source, list)
				}
				if len(list) > 0 && (list[0].Idle == side.serves || list[0].Weight != side.weight) {
					t.Errorf("%s: idle %t, weight %d", side.source, list[0].Idle, list[0].Weight)
				}
			}
		})
	}
}

// TestSharesOfHosts: names count as endpoints do.
func TestSharesOfHosts(t *testing.T) {
	t.Parallel()
	theirs := discovery.PortEndpoints{Port: 80, Hosts: []discovery.Host{{Name: "a.example", Port: 80, Weight: 1}, {Name: "b.example", Port: 80, Weight: 1}}}
	w := play(t, said(kube, serviceOf(cart, joinOf(50), 80), at(80, endpoint("10.0.0.1:80"))), said(consul, serviceOf(basket, nil, 80), theirs))
	own, hosts := w.port(cart, kube, 80).Endpoints, w.port(cart, consul, 80).Hosts
	if own[0].Weight != 2 || len(hosts) != 2 || hosts[0].Weight != 1 || hosts[1].Weight != 1 {
		t.Errorf("%v and %v", own, hosts)
	}
}
