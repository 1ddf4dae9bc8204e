package policy_test

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy"
	"outrigger.dev/outrigger/policy/ir"
)

var cartID = discovery.ServiceID{Namespace: "shop", Name: "cart"}

// meshOf is a peer for tests: endpoints whose workload is called so have a sidecar.
func meshOf(e *discovery.Endpoint) policy.Peer { return policy.Peer{Mesh: e.Workload.Name == "mesh"} }

// TestResolveEndpointsGroups: every endpoint stands once, in the group of its locality and security; groups are sorted,
// none is empty or there twice, and endpoints keep their order.
func TestResolveEndpointsGroups(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		endpoints := drawEndpoints(t)
		out := policy.ResolveEndpoints(cartID, 80, endpoints, meshOf)
		if !slices.IsSortedFunc(out.Groups, compareGroups) {
			t.Fatalf("not sorted: %+v", out.Groups)
		}
		left := map[netip.AddrPort]discovery.Endpoint{}
		for _, e := range endpoints {
			left[e.Address] = e
		}
		for i, g := range out.Groups {
			if len(g.Endpoints) == 0 || i > 0 && compareGroups(g, out.Groups[i-1]) == 0 {
				t.Fatalf("group %d of %+v", i, out.Groups)
			}
			if !slices.IsSortedFunc(g.Endpoints, func(a, b ir.Endpoint) int { return a.Address.Compare(b.Address) }) {
				t.Fatalf("endpoints are not sorted: %+v", g)
			}
			for _, got := range g.Endpoints {
				e, ok := left[got.Address]
				if !ok || e.Locality != g.Locality || meshOf(&e).Mesh != g.Mesh || max(e.Weight, 1) != got.Weight || e.Health != got.Health {
					t.Fatalf("endpoint %+v in group %+v", got, g)
				}
				delete(left, got.Address)
			}
		}
		if len(left) > 0 {
			t.Fatalf("endpoints are missing: %v", left)
		}
	})
}

func compareGroups(a, b ir.EndpointGroup) int {
	mesh := func(g ir.EndpointGroup) int {
		if g.Mesh {
			return 1
		}
		return 0
	}
	return cmp.Or(
		cmp.Compare(a.Priority, b.Priority), strings.Compare(a.Locality.Region, b.Locality.Region),
		strings.Compare(a.Locality.Zone, b.Locality.Zone), strings.Compare(a.Locality.SubZone, b.Locality.SubZone),
		cmp.Compare(mesh(a), mesh(b)),
	)
}

func drawEndpoints(t *rapid.T) []discovery.Endpoint {
	part := rapid.SampledFrom([]string{"", "a", "b"})
	hosts := rapid.SliceOfNDistinct(rapid.Byte(), 0, 60, rapid.ID).Draw(t, "hosts")
	slices.Sort(hosts)
	var out []discovery.Endpoint
	for _, host := range hosts {
		out = append(out, discovery.Endpoint{
			Address:  netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, host}), 8080),
			Locality: discovery.Locality{Region: part.Draw(t, "region"), Zone: part.Draw(t, "zone"), SubZone: part.Draw(t, "sub zone")},
			Workload: discovery.WorkloadID{Name: rapid.SampledFrom([]string{"mesh", "plain"}).Draw(t, "workload")},
			Weight:   rapid.Uint32Range(0, 2).Draw(t, "weight"),
			Health:   discovery.Health(rapid.IntRange(0, 3).Draw(t, "health")),
		})
	}
	return out
}

// tenEndpoints are in two zones.
func tenEndpoints() []discovery.Endpoint {
	var out []discovery.Endpoint
	for i := range 10 {
		out = append(out, discovery.Endpoint{
			Address:  netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 244, 101, byte(i)}), 8080),
			Workload: discovery.WorkloadID{Namespace: "shop", Name: "mesh"},
			Locality: discovery.Locality{Region: "west", Zone: []string{"west-1", "west-2"}[i%2]},
			Weight:   1,
		})
	}
	return out
}

func TestResolveEndpointsAllocatesLittle(t *testing.T) {
	endpoints := tenEndpoints()
	if n := testing.AllocsPerRun(100, func() { policy.ResolveEndpoints(cartID, 80, endpoints, meshOf) }); n > 4 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkResolveEndpoints(b *testing.B) {
	endpoints := tenEndpoints()
	b.ReportAllocs()
	for b.Loop() {
		policy.ResolveEndpoints(cartID, 80, endpoints, meshOf)
	}
}
