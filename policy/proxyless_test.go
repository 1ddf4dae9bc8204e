package policy_test

import (
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy"
	"outrigger.dev/outrigger/policy/ir"
)

// TestGRPCEndpointsObeyGRPC: no address twice, no locality twice in a priority, no priority left out, none of the
// other kind, and nothing lost but for that.
func TestGRPCEndpointsObeyGRPC(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := policy.ResolveEndpoints(cartID, 80, drawEndpoints(t), meshOf)
		peers := ir.Peers{Plain: rapid.Bool().Draw(t, "plain")}
		got := policy.ResolveGRPCEndpoints(all, peers)
		checkStrict(t, got)
		for _, g := range got.Groups {
			if g.Mesh == peers.Plain {
				t.Fatalf("a group of the other kind: %+v", g)
			}
		}
		left := addressesOf(all, peers)
		for a := range addressesOf(got, peers) {
			delete(left, a)
		}
		if len(left) > 0 {
			t.Fatalf("endpoints are missing: %v", left)
		}
	})
}

func checkStrict(t *rapid.T, e *ir.Endpoints) {
	type place struct {
		priority uint32
		locality discovery.Locality
	}
	places, addresses, priorities := map[place]bool{}, map[netip.AddrPort]bool{}, map[uint32]bool{}
	for _, g := range e.Groups {
		at := place{g.Priority, g.Locality}
		if places[at] || len(g.Endpoints) == 0 {
			t.Fatalf("group %+v is there twice or empty", at)
		}
		places[at], priorities[g.Priority] = true, true
		for _, endpoint := range g.Endpoints {
			if endpoint.Health == discovery.Degraded {
				t.Fatalf("gRPC does not know the state: %+v", endpoint)
			}
			for _, a := range append([]netip.AddrPort{endpoint.Address}, endpoint.Additional...) {
				if addresses[a] {
					t.Fatalf("address %s is there twice", a)
				}
				addresses[a] = true
			}
		}
	}
	for p := range priorities {
		if p > 0 && !priorities[p-1] {
			t.Fatalf("priority %d without the one before", p)
		}
	}
}

func addressesOf(e *ir.Endpoints, peers ir.Peers) map[netip.AddrPort]bool {
	out := map[netip.AddrPort]bool{}
	for _, g := range e.Groups {
		for _, endpoint := range g.Endpoints {
			if g.Mesh != peers.Plain {
				out[endpoint.Address] = true
			}
		}
	}
	return out
}

func TestGRPCPeersGoByWhoIsThereNow(t *testing.T) {
	t.Parallel()
	a, b := "spiffe://cluster.local/ns/shop/sa/a", "spiffe://cluster.local/ns/shop/sa/b"
	for name, c := range map[string]struct{ present, accepted, want ir.Peers }{
		"nobody":                  {ir.Peers{}, ir.Peers{}, ir.Peers{}},
		"plain, others retired":   {ir.Peers{Plain: true}, ir.Peers{Plain: true, Identities: []string{a}}, ir.Peers{Plain: true}},
		"mesh, others retired":    {ir.Peers{Identities: []string{a}}, ir.Peers{Plain: true, Identities: []string{a, b}}, ir.Peers{Identities: []string{a, b}}},
		"both":                    {ir.Peers{Plain: true, Identities: []string{a}}, ir.Peers{Plain: true, Identities: []string{a}}, ir.Peers{Identities: []string{a}}},
		"nobody, some retired":    {ir.Peers{}, ir.Peers{Plain: true, Identities: []string{a}}, ir.Peers{Identities: []string{a}}},
		"nobody, only plain left": {ir.Peers{}, ir.Peers{Plain: true}, ir.Peers{}},
	} {
		if got := policy.GRPCPeers(c.present, c.accepted); !got.Equal(c.want) {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}
