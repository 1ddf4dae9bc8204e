package consulsource_test

import (
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"

	"outrigger.dev/outrigger/discovery/consul"
	"outrigger.dev/outrigger/test/cluster"
	"outrigger.dev/outrigger/test/fault"
	"outrigger.dev/outrigger/test/mirror"
)

// What a peer exports is read by name, beside a service of the same name in the datacenter itself.
func TestPeer(t *testing.T) {
	connect := map[string]any{"connect": map[string]any{"enabled": true}}
	near := cluster.StartConsul(t, cluster.ConsulOptions{Config: connect})
	far := cluster.StartConsul(t, cluster.ConsulOptions{Datacenter: "dc2", Config: connect})
	peer(t, near, far)
	register(t, near, entry("cart", "cart-1", "10.0.0.1"))
	register(t, far, entry("cart", "cart-1", "10.7.0.1"), entry("kept", "kept-1", "10.7.1.1"))
	_, _, err := far.Client().ConfigEntries().Set(&api.ExportedServicesConfigEntry{
		Name: "default", Services: []api.ExportedService{{Name: "cart", Consumers: []api.ServiceConsumer{{Peer: "east"}}}},
	}, nil)
	must(t, err)
	config := reading(t, near)
	config.Peers = []consul.Peer{{Name: "west", Services: []string{"cart", "kept"}}}
	m := mirror.Start(t, source(t, config))
	m.Await("both are there", func(m *mirror.Mirror) bool {
		return mirror.Has(ns, "cart", "10.0.0.1:8080")(m) && mirror.Has(ns, "cart-west", "10.7.0.1:8080")(m)
	})
	if registered := m.Services[serviceID("cart-west")].Registered; registered != "cart@west" || m.Services[serviceID("kept-west")] != nil {
		t.Errorf("the peer's is registered as %q, or what it keeps is there:\n%s", registered, m)
	}
	register(t, far, entry("cart", "cart-2", "10.7.0.2"))
	m.Await("changes are seen", mirror.Has(ns, "cart-west", "10.7.0.1:8080", "10.7.0.2:8080"))
	must(t, far.Deregister(t.Context(), "node-cart-1", "cart-1"))
	m.Await("changes are seen", mirror.Has(ns, "cart-west", "10.7.0.2:8080"))
}

// peer makes two datacenters peers: near knows far as west, far knows near as east. Consul asks the other one for some seconds, and
// gives up where that is slow to begin: so it is told several times.
func peer(t *testing.T, near, far *cluster.Consul) {
	t.Helper()
	token, _, err := far.Client().Peerings().GenerateToken(t.Context(), api.PeeringGenerateTokenRequest{PeerName: "east"}, nil)
	must(t, err)
	for range 4 {
		request := api.PeeringEstablishRequest{PeerName: "west", PeeringToken: token.PeeringToken}
		if _, _, err = near.Client().Peerings().Establish(t.Context(), request, nil); err == nil {
			return
		}
	}
	t.Fatal(err)
}

// The server may refuse what only its enterprise edition has: that is trouble with a reason.
func TestNamespacesAreRefused(t *testing.T) {
	noLeaks(t)
	c := open(t)
	config := reading(t, c)
	config.Namespace = "shop"
	m := mirror.Start(t, source(t, config))
	m.Await("trouble is told", mirror.Troubled)
	if !strings.Contains(m.Trouble.Error(), "400") || !strings.Contains(strings.ToLower(m.Trouble.Error()), "namespace") {
		t.Errorf("the trouble does not say why: %v", m.Trouble)
	}
}

// The confirming read is a request of its own on the wire.
func TestConfirmIsSeenInTheLog(t *testing.T) {
	noLeaks(t)
	c := cluster.StartConsul(t, cluster.ConsulOptions{Plain: true})
	register(t, c, entry("cart", "cart-1", "10.0.0.1"))
	proxy, err := fault.Listen(fault.Config{Target: c.Host(), Keep: 1 << 20})
	must(t, err)
	t.Cleanup(proxy.Close)
	config := reading(t, c)
	config.Address = "http://" + proxy.Addr()
	source := source(t, config)
	m := mirror.Start(t, source)
	m.Await("the first state is complete", mirror.Synced)
	confirms := func() int {
		count := 0
		for _, conn := range proxy.Log() {
			count += strings.Count(string(conn.Sent), "GET /v1/health/service/cart?consistent")
		}
		return count
	}
	if confirms() != 0 {
		t.Error("it confirms without being asked")
	}
	_, err = source.Confirm(t.Context(), serviceID("cart"))
	must(t, err)
	if confirms() != 1 {
		t.Errorf("%d confirming reads went over the wire", confirms())
	}
}
