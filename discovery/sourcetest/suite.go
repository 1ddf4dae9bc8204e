package sourcetest

import (
	"net/netip"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"outrigger.dev/outrigger/discovery"
)

// check is one test and its registry.
type check struct {
	t        *testing.T
	registry Registry
}

// Run runs the suite. Open gives each test an empty registry of its own.
func Run(t *testing.T, open func(t *testing.T) Registry) {
	t.Helper()
	for name, test := range map[string]func(*check){
		"an empty registry is a complete state":       (*check).empty,
		"the full state comes first":                  (*check).fullState,
		"a change sends only what changed":            (*check).onlyChanges,
		"what is gone is sent as nil":                 (*check).removal,
		"what is written again unchanged is not sent": (*check).unchanged,
		"of many changes the last one wins":           (*check).lastWins,
		"health reaches the endpoints":                (*check).health,
		"trouble takes nothing away":                  (*check).trouble,
		"trouble from the start is no complete state": (*check).troubleFromTheStart,
		"namespaces are those of the registry":        (*check).namespaces,
		"it ends while nobody receives":               (*check).endsUnread,
	} {
		t.Run(name, func(t *testing.T) {
			leaks := goleak.IgnoreCurrent()
			// What the registry itself runs ends with the cleanups of open, which go before this one.
			t.Cleanup(func() { goleak.VerifyNone(t, leaks) })
			test(&check{t: t, registry: open(t)})
		})
	}
}

var (
	cart  = discovery.ServiceID{Namespace: "shop", Name: "cart"}
	cart1 = discovery.WorkloadID{Namespace: "shop", Name: "cart-1"}
	cart2 = discovery.WorkloadID{Namespace: "shop", Name: "cart-2"}
	stock = discovery.ServiceID{Namespace: "stock", Name: "catalog"}
)

func cartService() Service {
	return Service{ID: cart, App: "cart", VIP: netip.MustParseAddr("10.96.7.1"), Port: 80, TargetPort: 8080}
}

func stockService() Service {
	return Service{ID: stock, App: "catalog", VIP: netip.MustParseAddr("10.96.7.2"), Port: 80, TargetPort: 9090}
}

func instance(id discovery.WorkloadID, address string) Workload {
	return Workload{ID: id, App: "cart", Address: netip.MustParseAddr(address), Account: "cart"}
}

// fill writes two services, one of them with an instance.
func fill(t *testing.T, registry Registry) {
	t.Helper()
	registry.PutService(t, cartService())
	registry.PutService(t, stockService())
	registry.PutWorkload(t, instance(cart1, "10.0.0.1"))
}

// addresses returns where a service's endpoints are, in all shards.
func (s *state) addresses(id discovery.ServiceID) []string {
	var found []string
	for shard, set := range s.endpoints {
		if shard.Service != id {
			continue
		}
		for _, port := range set.Ports {
			for _, endpoint := range port.Endpoints {
				found = append(found, endpoint.Address.String())
			}
		}
	}
	slices.Sort(found)
	return found
}

// has returns a condition: the endpoints of cart are these.
func has(addresses ...string) func(s *state) bool {
	return func(s *state) bool { return slices.Equal(s.addresses(cart), addresses) }
}

func synced(s *state) bool { return s.synced }

func (c *check) empty() {
	t, registry := c.t, c.registry
	r := read(t, registry.Source(t))
	defer r.close()
	r.await("the first state is complete", synced)
	if len(r.services)+len(r.endpoints)+len(r.workloads) > 0 {
		t.Errorf("an empty registry holds\n%s", &r.state)
	}
}

func (c *check) fullState() {
	t, registry := c.t, c.registry
	fill(t, registry)
	r := read(t, registry.Source(t))
	defer r.close()
	received := r.await("the first state is complete", synced)
	if !received[len(received)-1].Synced {
		t.Error("the last update of the first state does not say so")
	}
	service, workload := r.services[cart], r.workloads[cart1]
	if service == nil || r.services[stock] == nil || workload == nil || !has("10.0.0.1:8080")(&r.state) {
		t.Fatalf("the first state is not complete:\n%s", &r.state)
	}
	if !slices.Equal(service.VIPs, []netip.Addr{cartService().VIP}) || len(service.Ports) != 1 || service.Ports[0].Port != 80 {
		t.Errorf("the service is not as it was written: %+v", *service)
	}
	if workload.ServiceAccount != "cart" || !slices.Contains(workload.Addresses, netip.MustParseAddr("10.0.0.1")) {
		t.Errorf("the workload is not as it was written: %+v", *workload)
	}
}

func (c *check) onlyChanges() {
	t, registry := c.t, c.registry
	fill(t, registry)
	r := read(t, registry.Source(t))
	defer r.close()
	r.await("the first state is complete", synced)
	registry.PutWorkload(t, instance(cart2, "10.0.0.2"))
	for _, update := range r.await("cart has two endpoints", has("10.0.0.1:8080", "10.0.0.2:8080")) {
		if len(update.Services) > 0 {
			t.Errorf("a new instance changes services: %v", update.Services)
		}
		for shard := range update.Endpoints {
			if shard.Service != cart {
				t.Errorf("a new instance of cart changes the endpoints of %s", shard)
			}
		}
		for id := range update.Workloads {
			if id != cart2 {
				t.Errorf("a new instance changes the workload %s", id)
			}
		}
	}
}

func (c *check) removal() {
	t, registry := c.t, c.registry
	fill(t, registry)
	r := read(t, registry.Source(t))
	defer r.close()
	r.await("the first state is complete", synced)
	registry.DeleteWorkload(t, cart1)
	r.await("the instance is gone", func(s *state) bool { return s.workloads[cart1] == nil && has()(s) })
	if r.services[cart] == nil {
		t.Error("with its last instance the service is gone too")
	}
	registry.DeleteService(t, cart)
	r.await("the service is gone", func(s *state) bool { return s.services[cart] == nil })
	if r.services[stock] == nil {
		t.Error("another service is gone too")
	}
}

func (c *check) unchanged() {
	t, registry := c.t, c.registry
	fill(t, registry)
	r := read(t, registry.Source(t))
	defer r.close()
	r.await("the first state is complete", synced)
	fill(t, registry)
	// The reader reports values that are sent again; what is written last shows that all was read.
	registry.PutWorkload(t, instance(cart2, "10.0.0.2"))
	r.await("cart has two endpoints", has("10.0.0.1:8080", "10.0.0.2:8080"))
}

func (c *check) lastWins() {
	t, registry := c.t, c.registry
	fill(t, registry)
	r := read(t, registry.Source(t))
	defer r.close()
	r.await("the first state is complete", synced)
	for _, address := range []string{"10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"} {
		registry.PutWorkload(t, instance(cart1, address))
	}
	r.await("cart has its last address", has("10.0.0.6:8080"))
	registry.DeleteWorkload(t, cart1)
	registry.PutWorkload(t, instance(cart1, "10.0.0.7"))
	r.await("cart is there again", has("10.0.0.7:8080"))
}

// health changes one of two instances: registries may keep the last one in use whatever it says.
func (c *check) health() {
	t, registry := c.t, c.registry
	fill(t, registry)
	registry.PutWorkload(t, instance(cart2, "10.0.0.2"))
	r := read(t, registry.Source(t))
	defer r.close()
	r.await("the first state is complete", synced)
	r.await("cart has two endpoints", has("10.0.0.1:8080", "10.0.0.2:8080"))
	for _, health := range []discovery.Health{discovery.Draining, discovery.Unhealthy, discovery.Healthy} {
		w := instance(cart1, "10.0.0.1")
		w.Health = health
		registry.PutWorkload(t, w)
		r.await("cart is "+health.String(), func(s *state) bool {
			return s.workloads[cart1] != nil && s.workloads[cart1].Health == health && s.health(cart1) == health
		})
	}
}

// health returns that of the endpoint of an instance.
func (s *state) health(id discovery.WorkloadID) discovery.Health {
	for _, set := range s.endpoints {
		for _, port := range set.Ports {
			for _, endpoint := range port.Endpoints {
				if endpoint.Workload == id {
					return endpoint.Health
				}
			}
		}
	}
	return 255
}

// namespaces demands that a registry's namespaces are told as they come, change and go, and none where the registry knows none.
func (c *check) namespaces() {
	t := c.t
	fill(t, c.registry)
	registry, knows := c.registry.(NamespaceRegistry)
	if !knows {
		r := read(t, c.registry.Source(t))
		defer r.close()
		r.await("the first state is complete", synced)
		if len(r.namespaces) > 0 {
			t.Errorf("a registry without namespaces has\n%s", &r.state)
		}
		return
	}
	const name = "till"
	team := func(want string) func(s *state) bool {
		return func(s *state) bool {
			n := s.namespaces[name]
			return n != nil && n.Labels["team"] == want && !n.Terminating
		}
	}
	registry.PutNamespace(t, name, map[string]string{"team": "a"})
	r := read(t, registry.Source(t))
	defer r.close()
	r.await("the first state is complete", synced)
	if !team("a")(&r.state) {
		t.Errorf("the namespace is not as it was written:\n%s", &r.state)
	}
	registry.PutNamespace(t, name, map[string]string{"team": "b"})
	r.await("its label is another one", team("b"))
	registry.DeleteNamespace(t, name)
	r.await("it is gone", func(s *state) bool { return s.namespaces[name] == nil })
}

func (c *check) trouble() {
	t, registry := c.t, c.registry
	fill(t, registry)
	r := read(t, registry.Source(t))
	defer r.close()
	r.await("the first state is complete", synced)
	before := r.clone()
	registry.Break(t)
	r.await("the source says that it is in trouble", func(s *state) bool { return s.trouble != nil })
	if !r.equal(before) {
		t.Errorf("trouble changed what there is, from\n%s\nto\n%s", before, &r.state)
	}
	registry.Mend(t)
	r.await("the source says that the trouble is over", func(s *state) bool { return s.trouble == nil })
	if !r.equal(before) {
		t.Errorf("the end of the trouble changed what there is, from\n%s\nto\n%s", before, &r.state)
	}
	registry.PutWorkload(t, instance(cart2, "10.0.0.2"))
	r.await("changes are seen again", has("10.0.0.1:8080", "10.0.0.2:8080"))
}

func (c *check) troubleFromTheStart() {
	t, registry := c.t, c.registry
	fill(t, registry)
	registry.Break(t)
	r := read(t, registry.Source(t))
	defer r.close()
	r.await("the source says that it is in trouble", func(s *state) bool { return s.trouble != nil })
	if r.synced {
		t.Error("a state that could not be read is called complete")
	}
	registry.Mend(t)
	r.await("the first state is complete", func(s *state) bool { return s.synced && s.trouble == nil })
	if !has("10.0.0.1:8080")(&r.state) {
		t.Errorf("the first state is not complete:\n%s", &r.state)
	}
}

func (c *check) endsUnread() {
	t, registry := c.t, c.registry
	fill(t, registry)
	r := read(t, registry.Source(t))
	// Nothing was received: the source stands in its first send, or has not come that far.
	r.close()
}
