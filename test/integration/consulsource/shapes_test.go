package consulsource_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/test/cluster"
	"outrigger.dev/outrigger/test/mirror"
)

func TestConsul10HostNames(t *testing.T) {
	noLeaks(t)
	c := open(t)
	register(t, c, entry("db", "db-1", "db.example.com"), entry("db", "db-2", "10.0.0.2"))
	m := mirror.Start(t, source(t, reading(t, c)))
	m.Await("the first state is complete", mirror.Synced)
	set := m.Endpoints[discovery.ShardID{Service: serviceID("db"), Source: discovery.SourceID{Kind: "consul", Name: "test"}}]
	if len(set.Ports) != 1 || len(set.Ports[0].Endpoints) != 1 || len(set.Ports[0].Hosts) != 1 {
		t.Fatalf("a name and an address are %+v", set.Ports)
	}
	if want := (discovery.Host{Name: "db.example.com", Port: 8080, Weight: 1}); set.Ports[0].Hosts[0] != want {
		t.Errorf("the name is %+v", set.Ports[0].Hosts[0])
	}
	if len(m.Workloads) != 1 {
		t.Errorf("an instance that is known by its name only is a workload:\n%s", m)
	}
}

func TestConsul11Addresses(t *testing.T) {
	noLeaks(t)
	c := open(t)
	// Without an address it is that of the node; IPv6; both families.
	register(t, c, cluster.Instance{Node: "plain", NodeAddress: "10.0.0.1", Service: "cart", ID: "a", Port: 8080})
	register(t, c, entry("cart", "b", "2001:db8::2"))
	put(t, c, "both", &api.AgentService{
		ID: "c", Service: "cart", Address: "10.0.0.3", Port: 8080, Weights: api.AgentWeights{Passing: 7, Warning: 2},
		TaggedAddresses: map[string]api.ServiceAddress{
			"lan_ipv4": {Address: "10.0.0.3", Port: 8080}, "lan_ipv6": {Address: "2001:db8::3", Port: 8080},
			"wan": {Address: "203.0.113.3", Port: 9090}, "virtual": {Address: "10.96.0.7", Port: 80},
		},
	}, &api.HealthCheck{Node: "both", CheckID: "c", ServiceID: "c", Status: api.HealthWarning})
	m := mirror.Start(t, source(t, reading(t, c)))
	m.Await("the first state is complete", mirror.Synced)
	want := []string{"10.0.0.1:8080", "10.0.0.3:8080 degraded", "[2001:db8::2]:8080"}
	if got := m.Addresses(ns, "cart"); !slices.Equal(got, want) {
		t.Fatalf("the addresses are %v", got)
	}
	for _, set := range m.Endpoints {
		both := set.Ports[0].Endpoints[1]
		if !slices.Equal(both.Additional, []netip.AddrPort{netip.MustParseAddrPort("[2001:db8::3]:8080")}) || both.Weight != 2 {
			t.Errorf("the instance of both families is %+v", both)
		}
	}
	if vips := m.Services[serviceID("cart")].VIPs; !slices.Equal(vips, []netip.Addr{netip.MustParseAddr("10.96.0.7")}) {
		t.Errorf("its virtual addresses are %v", vips)
	}
}

func TestConsul11OtherDatacenter(t *testing.T) {
	noLeaks(t)
	near := cluster.StartConsul(t, cluster.ConsulOptions{Plain: true})
	far := cluster.StartConsul(t, cluster.ConsulOptions{Plain: true, Datacenter: "dc2", Beside: near})
	put(t, far, "node-1", &api.AgentService{
		ID: "cart-1", Service: "cart", Address: "10.0.0.1", Port: 8080,
		TaggedAddresses: map[string]api.ServiceAddress{"wan": {Address: "203.0.113.1", Port: 9090}},
	})
	put(t, near, "node-1", &api.AgentService{
		ID: "stock-1", Service: "stock", Address: "10.0.1.1", Port: 8080,
		TaggedAddresses: map[string]api.ServiceAddress{"wan": {Address: "203.0.113.2", Port: 9090}},
	})
	config := reading(t, near)
	config.Datacenter = "dc2"
	m := mirror.Start(t, source(t, config))
	m.Await("what is far away is reached from afar", mirror.Has(ns, "cart", "203.0.113.1:9090"))
	config.Datacenter = "dc1"
	m = mirror.Start(t, source(t, config))
	m.Await("what is near is reached directly, though its datacenter is named", mirror.Has(ns, "stock", "10.0.1.1:8080"))
}

func TestConsul12OtherKinds(t *testing.T) {
	noLeaks(t)
	c := open(t)
	register(t, c, entry("cart", "cart-1", "10.0.0.1"))
	put(t, c, "node-cart-1", &api.AgentService{
		Kind: api.ServiceKindConnectProxy, ID: "cart-1-proxy", Service: "cart-sidecar-proxy", Address: "10.0.0.1", Port: 20000,
		Proxy: &api.AgentServiceConnectProxyConfig{DestinationServiceName: "cart"},
	})
	for _, kind := range []api.ServiceKind{api.ServiceKindMeshGateway, api.ServiceKindTerminatingGateway, api.ServiceKindIngressGateway} {
		put(t, c, "node-cart-1", &api.AgentService{Kind: kind, ID: string(kind), Service: string(kind), Address: "10.0.0.1", Port: 8443})
	}
	m := mirror.Start(t, source(t, reading(t, c)))
	m.Await("the first state is complete", mirror.Synced)
	if len(m.Services) != 1 || len(m.Endpoints) != 1 || len(m.Workloads) != 1 || len(m.Problems) != 0 {
		t.Errorf("proxies and gateways of Consul's own mesh are part of ours:\n%s", m)
	}
}

func TestConsul13CopiesFromKubernetesAreMarked(t *testing.T) {
	noLeaks(t)
	c := open(t)
	i := entry("cart", "cart-1", "10.0.0.1")
	i.Meta = map[string]string{"external-source": "kubernetes", "external-k8s-ns": "shop"}
	register(t, c, i)
	m := mirror.Start(t, source(t, reading(t, c)))
	m.Await("the first state is complete", mirror.Synced)
	for _, w := range m.Workloads {
		if w.Labels["external-source"] != "kubernetes" || w.Labels["external-k8s-ns"] != "shop" {
			t.Errorf("it is not seen where it comes from: %v", w.Labels)
		}
	}
	if !mirror.Has(ns, "cart", "10.0.0.1:8080")(m) {
		t.Errorf("it is not there:\n%s", m)
	}
}

func TestConsul20StrangeNames(t *testing.T) {
	noLeaks(t)
	c := open(t)
	names := []string{"cart", "Cart", "team/cart", "my cart", "купить", "a?b&c=d", "100%", "ca#rt", "stock.catalog", strings.Repeat("x", 100), "café"}
	want := make(map[string]bool)
	for i, name := range names {
		e := entry(name, "id-"+string(rune('a'+i)), "10.0.0."+string(rune('1'+i%9)))
		e.Port = 8000 + i
		register(t, c, e)
		want[name] = true
	}
	m := mirror.Start(t, source(t, reading(t, c)))
	m.Await("the first state is complete", mirror.Synced)
	if len(m.Services) != len(names) || len(m.Endpoints) != len(names) || len(m.Workloads) != len(names) {
		t.Errorf("of %d services there are %d:\n%s", len(names), len(m.Services), m)
	}
	for id, s := range m.Services {
		registered := s.Registered
		if registered == "" {
			registered = id.Name
		}
		if !want[registered] {
			t.Errorf("%s is said to be registered as %q", id, registered)
		}
		delete(want, registered)
		for _, set := range m.Endpoints {
			if set.ID.Service == id && len(set.Ports) == 0 {
				t.Errorf("%s (%q) has no endpoint", id, registered)
			}
		}
	}
	if m.Services[serviceID("cart")] == nil {
		t.Error("a good name was changed")
	}
}
