package hold

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"testing"

	"outrigger.dev/outrigger/discovery"
)

// stock makes 10,000 services with ten endpoints each.
func stock() discovery.Update {
	u := discovery.Update{
		Source: testSource, Synced: true,
		Services: map[discovery.ServiceID]*discovery.Service{}, Endpoints: map[discovery.ShardID]*discovery.EndpointSet{},
		Workloads: map[discovery.WorkloadID]*discovery.Workload{},
	}
	for i := range 10_000 {
		name := fmt.Sprintf("service-%d", i)
		u.Services[serviceOf(name)] = &discovery.Service{ID: serviceOf(name), Ports: []discovery.ServicePort{{Port: 80}}}
		u.Endpoints[shardOf(name)] = stockSet(name, i, 10)
	}
	return u
}

func stockSet(name string, service, endpoints int) *discovery.EndpointSet {
	port := discovery.PortEndpoints{Port: 80}
	for e := range endpoints {
		port.Endpoints = append(port.Endpoints, discovery.Endpoint{
			Address:  netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(service >> 8), byte(service), byte(e)}), 8080),
			Workload: workloadOf(fmt.Sprintf("%d-%d", service, e)), Weight: 1,
		})
	}
	return &discovery.EndpointSet{ID: shardOf(name), Ports: []discovery.PortEndpoints{port}}
}

// BenchmarkHealthy is one changed endpoint set of a healthy source among 10,000 services.
func BenchmarkHealthy(b *testing.B) {
	k := NewKeeper(testSource, Reads{Endpoints: true, Services: true, Workloads: true})
	k.Apply(testStart, stock())
	changes := flips("service-7", 7)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		k.Apply(testStart, changes[i%2])
	}
}

// BenchmarkTrouble is the same in trouble, with a tenth of all endpoints held.
func BenchmarkTrouble(b *testing.B) {
	k := NewKeeper(testSource, Reads{Endpoints: true, Services: true, Workloads: true})
	k.Apply(testStart, stock())
	k.Apply(testStart, lostTenth())
	changes := flips("service-7", 7)
	changes[0].Trouble, changes[1].Trouble = errTest, errTest
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		k.Apply(testStart, changes[i%2])
	}
}

// BenchmarkEmptied is a registry of 100,000 endpoints that comes back empty after trouble.
func BenchmarkEmptied(b *testing.B) {
	full, empty := stock(), stock()
	for id := range empty.Services {
		empty.Services[id] = nil
	}
	for id := range empty.Endpoints {
		empty.Endpoints[id] = nil
	}
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		k := NewKeeper(testSource, Reads{Endpoints: true, Services: true, Workloads: true})
		k.Apply(testStart, full)
		k.Apply(testStart, discovery.Update{Source: testSource, Trouble: errTest})
		b.StartTimer()
		// The endpoints of each service are asked for, and once all services.
		if out, ask := k.Apply(testStart, empty); len(out.Endpoints) > 0 || len(ask) != 10_001 {
			b.Fatal("a mass was believed")
		}
	}
}

// flips returns two updates that take an endpoint away from a service and give it back.
func flips(name string, service int) [2]discovery.Update {
	var updates [2]discovery.Update
	for i := range updates {
		updates[i] = discovery.Update{Source: testSource, Endpoints: map[discovery.ShardID]*discovery.EndpointSet{
			shardOf(name): stockSet(name, service, 9+i),
		}}
	}
	return updates
}

func lostTenth() discovery.Update {
	u := discovery.Update{Source: testSource, Trouble: errTest, Endpoints: map[discovery.ShardID]*discovery.EndpointSet{}}
	for i := 100; i < 1_100; i++ {
		u.Endpoints[shardOf(fmt.Sprintf("service-%d", i))] = nil
	}
	return u
}

// BenchmarkHeld is the way of one update through the goroutine of a Held, from the source to whoever reads on.
func BenchmarkHeld(b *testing.B) {
	source := newFakeSource()
	held, err := New(Config{Source: source, ID: testSource, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	out, end := make(chan discovery.Update), make(chan error, 1)
	go func() { end <- held.Run(ctx, out) }()
	source.updates <- stock()
	<-out
	changes := flips("service-7", 7)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		source.updates <- changes[i%2]
		<-out
	}
	stop()
	if err := <-end; !errors.Is(err, context.Canceled) {
		b.Fatal(err)
	}
}

// BenchmarkFileWrite writes the state of 10,000 services with ten endpoints each.
func BenchmarkFileWrite(b *testing.B) {
	u := stock()
	state := State{Services: u.Services, Endpoints: u.Endpoints}
	path := filepath.Join(b.TempDir(), "last-good.json")
	b.ReportAllocs()
	for b.Loop() {
		data, err := encode(content{Mesh: testMesh, Sources: []savedSource{saveSource(testSource, testStart, state)}})
		if err != nil {
			b.Fatal(err)
		}
		if err := replace(path, data); err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(data)))
	}
}
