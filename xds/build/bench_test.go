package build

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"outrigger.dev/outrigger/discovery"
)

const endpointsPerService = 10

// BenchmarkApplyEndpointChange measures one changed endpoint among many services of ten endpoints
// each: the figures must not depend on how many services there are.
func BenchmarkApplyEndpointChange(b *testing.B) {
	for _, services := range []int{100, 1_000, 10_000} {
		b.Run(fmt.Sprintf("services=%d", services), func(b *testing.B) {
			builder, batches := drainAndBack(services)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if c := builder.Apply(batches[i%2]); len(c.Resources) != 1 {
					b.Fatalf("changed %v, want one assignment", c.Resources)
				}
			}
		})
	}
}

// BenchmarkApplyReplacedEndpoint is the same with an instance that another one takes the place of.
func BenchmarkApplyReplacedEndpoint(b *testing.B) {
	for _, services := range []int{100, 10_000} {
		b.Run(fmt.Sprintf("services=%d", services), func(b *testing.B) {
			builder := meshOf(services)
			batches := [2]Batch{replaced(0, 1_000_000), replaced(1_000_000, 0)}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if c := builder.Apply(batches[i%2]); len(c.Nodes) != 2 {
					b.Fatalf("moved %v, want two nodes", c.Nodes)
				}
			}
		})
	}
}

// BenchmarkApplyEverything measures the first batch of a control plane that has just started.
func BenchmarkApplyEverything(b *testing.B) {
	batch := batchOf(1_000)
	b.ReportAllocs()
	for b.Loop() {
		New(Config{TrustDomain: "cluster.local"}).Apply(batch)
	}
}

// TestEndpointChangeIsBounded: what one changed endpoint allocates does not grow with the mesh.
func TestEndpointChangeIsBounded(t *testing.T) {
	allocations := func(services int) float64 {
		builder, batches := drainAndBack(services)
		i := 0
		return testing.AllocsPerRun(100, func() {
			builder.Apply(batches[i%2])
			i++
		})
	}
	few, many := allocations(10), allocations(1_000)
	if few != many {
		t.Errorf("%.0f allocations among 10 services, %.0f among 1,000", few, many)
	}
	if many > 20 {
		t.Errorf("%.0f allocations, want 20 at most", many)
	}
}

// drainAndBack returns a Builder and two batches that, in turn, change the health of one endpoint.
func drainAndBack(services int) (*Builder, [2]Batch) {
	set := shardOf(services / 2)
	changed := shardOf(services / 2)
	changed.Ports[0].Endpoints[3].Health = discovery.Draining
	return meshOf(services), [2]Batch{shardBatch(changed), shardBatch(set)}
}

func shardBatch(set *discovery.EndpointSet) Batch {
	return Batch{Updates: []discovery.Update{{
		Source: set.ID.Source, Endpoints: map[discovery.ShardID]*discovery.EndpointSet{set.ID: set},
	}}}
}

// replaced returns the batch in which the first endpoint of service 0 goes from one workload to another.
func replaced(from, to int) Batch {
	set := shardOf(0)
	endpoints := append(slices.Clone(set.Ports[0].Endpoints[1:]), endpointOf(to))
	slices.SortFunc(endpoints, func(x, y discovery.Endpoint) int { return x.Address.Compare(y.Address) })
	set.Ports[0].Endpoints = endpoints
	b := shardBatch(set)
	b.Updates[0].Workloads = map[discovery.WorkloadID]*discovery.Workload{
		workloadID(from): nil, workloadID(to): workloadOf(to),
	}
	return b
}

func meshOf(services int) *Builder {
	b := New(Config{TrustDomain: "cluster.local"})
	b.Apply(batchOf(services))
	return b
}

func batchOf(services int) Batch {
	u := discovery.Update{
		Source:    discovery.SourceID{Kind: "file", Name: "local"},
		Services:  map[discovery.ServiceID]*discovery.Service{},
		Endpoints: map[discovery.ShardID]*discovery.EndpointSet{},
		Workloads: map[discovery.WorkloadID]*discovery.Workload{},
	}
	for i := range services {
		set := shardOf(i)
		u.Endpoints[set.ID] = set
		u.Services[set.ID.Service] = &discovery.Service{
			ID: set.ID.Service, Origin: discovery.Origin{Kind: "Service"},
			VIPs:  []netip.Addr{netip.AddrFrom4([4]byte{10, 96, byte(i >> 8), byte(i)})},
			Ports: []discovery.ServicePort{{Port: 80, Name: "http", Protocol: discovery.HTTP}},
		}
		for j := range endpointsPerService {
			n := i*endpointsPerService + j
			u.Workloads[workloadID(n)] = workloadOf(n)
		}
	}
	return Batch{Updates: []discovery.Update{u}}
}

func shardOf(service int) *discovery.EndpointSet {
	id := discovery.ShardID{
		Service: discovery.ServiceID{Namespace: "shop", Name: fmt.Sprintf("service-%d", service)},
		Source:  discovery.SourceID{Kind: "file", Name: "local"},
	}
	set := &discovery.EndpointSet{ID: id, Ports: []discovery.PortEndpoints{{Port: 80}}}
	for j := range endpointsPerService {
		set.Ports[0].Endpoints = append(set.Ports[0].Endpoints, endpointOf(service*endpointsPerService+j))
	}
	return set
}

func endpointOf(n int) discovery.Endpoint {
	return discovery.Endpoint{
		Address: netip.AddrPortFrom(addressOf(n), 8080), Workload: workloadID(n), Weight: 1,
		Locality: discovery.Locality{Region: "eu", Zone: "eu-1"},
	}
}

func workloadID(n int) discovery.WorkloadID {
	return discovery.WorkloadID{Namespace: "shop", Name: fmt.Sprintf("workload-%d", n)}
}

func workloadOf(n int) *discovery.Workload {
	return &discovery.Workload{
		ID: workloadID(n), Origin: discovery.Origin{Kind: "Workload"}, ServiceAccount: fmt.Sprintf("account-%d", n/endpointsPerService),
		Sidecar: true, Addresses: []netip.Addr{addressOf(n)}, Labels: map[string]string{"app": "shop"},
	}
}

func addressOf(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
}
