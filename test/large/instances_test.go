package large_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/protobuf/proto"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/xds/cache"
)

const (
	// instances are those of the large service; small ones stand beside it.
	instances = 10_000
	others    = 200
	// client is a proxy that calls all of them.
	client = "shop/web-0"
)

// town is what a registry holds.
type town struct{ discovery.Update }

func newTown() town {
	return town{discovery.Update{
		Services:  map[discovery.ServiceID]*discovery.Service{},
		Endpoints: map[discovery.ShardID]*discovery.EndpointSet{},
		Workloads: map[discovery.WorkloadID]*discovery.Workload{},
	}}
}

// add adds a service of that many instances, whose addresses begin with a number.
func (w town) add(name string, first byte, count int) *discovery.EndpointSet {
	id := discovery.ServiceID{Namespace: "shop", Name: name}
	w.Services[id] = &discovery.Service{ID: id, Ports: []discovery.ServicePort{{Port: 80, Protocol: discovery.HTTP}}}
	port := discovery.PortEndpoints{Port: 80}
	for i := range count {
		instance := discovery.WorkloadID{Namespace: "shop", Name: fmt.Sprintf("%s-%d", name, i)}
		address := netip.AddrFrom4([4]byte{10, first, byte(i >> 8), byte(i)})
		w.Workloads[instance] = &discovery.Workload{
			ID: instance, Addresses: []netip.Addr{address}, ServiceAccount: name, Sidecar: true, Labels: map[string]string{"app": name},
		}
		port.Endpoints = append(port.Endpoints, discovery.Endpoint{
			Address: netip.AddrPortFrom(address, 8080), Workload: instance, Weight: 1,
		})
	}
	set := &discovery.EndpointSet{ID: discovery.ShardID{Service: id, Source: source}, Ports: []discovery.PortEndpoints{port}}
	w.Endpoints[set.ID] = set
	return set
}

// with returns a set with one endpoint of another health.
func with(set *discovery.EndpointSet, at int, health discovery.Health) *discovery.EndpointSet {
	port := set.Ports[0]
	port.Endpoints = slices.Clone(port.Endpoints)
	port.Endpoints[at].Health = health
	return &discovery.EndpointSet{ID: set.ID, Ports: []discovery.PortEndpoints{port}}
}

// changeOf is an update of endpoints alone.
func changeOf(set *discovery.EndpointSet) discovery.Update {
	return discovery.Update{Endpoints: map[discovery.ShardID]*discovery.EndpointSet{set.ID: set}}
}

// statuses are Envoy's words for states of health.
var statuses = map[corev3.HealthStatus]discovery.Health{
	corev3.HealthStatus_UNHEALTHY: discovery.Unhealthy, corev3.HealthStatus_DRAINING: discovery.Draining,
}

// assignment returns what the client sees of a service's endpoints, by address, and its size in bytes.
func (l *line) assignment(name string) (health map[string]string, size int) {
	l.t.Helper()
	view, ok := l.store.View(client)
	if !ok {
		l.t.Fatalf("there is no view of %s", client)
	}
	health = map[string]string{}
	view.Snapshot.All(cache.Endpoints, func(r *cache.Resource) bool {
		var message endpointv3.ClusterLoadAssignment
		if err := proto.Unmarshal(r.Body(), &message); err != nil {
			l.t.Fatal(err)
		}
		if message.GetClusterName() != name {
			return true
		}
		size = len(r.Body())
		for _, group := range message.GetEndpoints() {
			for _, e := range group.GetLbEndpoints() {
				socket := e.GetEndpoint().GetAddress().GetSocketAddress()
				health[socket.GetAddress()] = statuses[e.GetHealthStatus()].String()
			}
		}
		return true
	})
	return health, size
}

// perEndpoint is how many bytes one endpoint of a service may cost when another of them changes, fixed what a change costs
// besides; inAssignment is how many it takes in what proxies are sent. Measured were 331, some 8,000, and 23.
const perEndpoint, fixed, inAssignment = 450, 16 << 10, 30

// demand compares what the client sees of a service with its endpoints.
func (l *line) demand(want *discovery.EndpointSet) {
	l.t.Helper()
	seen, size := l.assignment("outbound|80||" + want.ID.Service.Host())
	endpoints := want.Ports[0].Endpoints
	if len(seen) != len(endpoints) || size > fixed+inAssignment*len(endpoints) {
		l.t.Errorf("%s has %d endpoints in %d bytes, of %d", want.ID.Service, len(seen), size, len(endpoints))
	}
	for i := range endpoints {
		e := &endpoints[i]
		if got := seen[e.Address.Addr().String()]; got != e.Health.String() {
			l.t.Fatalf("%s: %s is %q, not %s", want.ID.Service, e.Address, got, e.Health)
		}
	}
}

// change says that a service's endpoints are others, and demands that its assignment changes, nothing else, and for its price.
func (l *line) change(set *discovery.EndpointSet) {
	l.t.Helper()
	cost := l.say(changeOf(set))
	if len(l.changes) != 1 || l.changes[0].Ref.Type != cache.Endpoints {
		l.t.Errorf("%d resources change with one endpoint of %s", len(l.changes), set.ID.Service)
	}
	if most := uint64(fixed + perEndpoint*len(set.Ports[0].Endpoints)); cost > most {
		l.t.Errorf("a change of one endpoint of %s costs %d bytes, and may cost %d", set.ID.Service, cost, most)
	}
	l.demand(set)
}

// TestTenThousandInstances: none of them is lost on the way, and one that changes costs what its service has, and not what the mesh has.
func TestTenThousandInstances(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, w := start(t), newTown()
		large, small := w.add("cart", 1, instances), w.add("stock", 2, 10)
		w.add("web", 3, 1)
		for i := range others {
			w.add(fmt.Sprintf("other-%d", i), byte(4+i), 10)
		}
		w.Synced = true
		l.say(w.Update)
		l.demand(large)
		l.demand(small)
		l.change(with(large, 5000, discovery.Unhealthy))
		l.change(with(large, 5000, discovery.Draining))
		l.change(large)
		l.change(with(small, 5, discovery.Unhealthy))
		l.demand(large)
	})
}

// TestOneOfTenThousandIsReplaced: an instance that goes and one that comes are two workloads and one assignment.
func TestOneOfTenThousandIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, w := start(t), newTown()
		w.add("web", 3, 1)
		larger := w.add("cart", 1, instances+1)
		last := larger.Ports[0].Endpoints[instances]
		next := w.Workloads[last.Workload]
		delete(w.Workloads, last.Workload)
		before := without(larger, instances)
		w.Endpoints[before.ID] = before
		w.Synced = true
		l.say(w.Update)
		l.demand(before)

		after := without(larger, 5000)
		gone := larger.Ports[0].Endpoints[5000].Workload
		u := changeOf(after)
		u.Workloads = map[discovery.WorkloadID]*discovery.Workload{gone: nil, last.Workload: next}
		cost := l.say(u)
		l.demand(after)
		if most := uint64(fixed + perEndpoint*instances); cost > most {
			t.Errorf("it costs %d bytes, and may cost %d", cost, most)
		}
		for _, change := range l.changes {
			if change.Ref.Type != cache.Endpoints {
				t.Errorf("%s changes", change.Ref)
			}
		}
	})
}

// without returns a set without one of its endpoints.
func without(set *discovery.EndpointSet, at int) *discovery.EndpointSet {
	port := set.Ports[0]
	port.Endpoints = slices.Delete(slices.Clone(port.Endpoints), at, at+1)
	return &discovery.EndpointSet{ID: set.ID, Ports: []discovery.PortEndpoints{port}}
}
