package consulsource_test

import (
	"fmt"
	"maps"
	"runtime"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/test/cluster"
	"outrigger.dev/outrigger/test/mirror"
)

// A thousand services: few connections over TLS, fewer without.
func TestConsul15ManyServices(t *testing.T) {
	const count = 1000
	for name, test := range map[string]struct {
		options     cluster.ConsulOptions
		connections int
	}{
		"HTTP2": {connections: 12},
		"HTTP1": {options: cluster.ConsulOptions{Plain: true}, connections: 40},
		// Far below what Consul allows by itself.
		"HTTP1 with a limit of 30": {
			options:     cluster.ConsulOptions{Plain: true, Config: map[string]any{"limits": map[string]any{"http_max_conns_per_client": 30}}},
			connections: 30,
		},
	} {
		t.Run(name, func(t *testing.T) {
			noLeaks(t)
			c := cluster.StartConsul(t, test.options)
			fill(t, c, services(count))
			config, proxy := behind(t, c)
			source := source(t, config)
			began := time.Now()
			m := mirror.Start(t, source)
			m.Await("the first state is complete", mirror.Synced)
			t.Logf("complete after %s", time.Since(began))
			if len(m.Services) != count {
				t.Errorf("of %d services there are %d", count, len(m.Services))
			}
			register(t, c, entry("service-500", "more", "10.0.0.9"))
			began = time.Now()
			m.Await("a new instance is seen", func(m *mirror.Mirror) bool { return len(m.Addresses(ns, "service-500")) == 2 })
			t.Logf("a new instance is seen after %s", time.Since(began))
			began = time.Now()
			ids, err := source.ConfirmWorkloads(t.Context())
			t.Logf("all instances are read again within %s", time.Since(began))
			// Who asks waits for ten seconds.
			if err != nil || len(ids) != count+1 || time.Since(began) > 8*time.Second {
				t.Errorf("%d instances are confirmed after %s, %v", len(ids), time.Since(began), err)
			}
			m.Drain(5 * time.Second)
			open, ever := proxy.Count().Open, proxy.Count().Connections
			t.Logf("%d connections are open, %d ever were, the source counts %d", open, ever, source.Stats().Connections)
			if open > test.connections || source.Stats().Connections != open {
				t.Errorf("%d connections are open, no more than %d should be; the source counts %d", open, test.connections, source.Stats().Connections)
			}
			for _, u := range m.Log {
				if u.Trouble != nil {
					t.Errorf("there was trouble: %v", u.Trouble)
				}
			}
		})
	}
}

// What no check shows is seen over HTTP/1.1 as well: an instance without checks, another address, other weights.
func TestConsul15ChangesWithoutChecks(t *testing.T) {
	noLeaks(t)
	c := cluster.StartConsul(t, cluster.ConsulOptions{Plain: true})
	fill(t, c, services(300))
	m := mirror.Start(t, source(t, reading(t, c)))
	m.Await("the first state is complete", mirror.Synced)
	for i, address := range []string{"10.0.0.1", "10.0.0.2", "10.0.0.3"} {
		began := time.Now()
		put(t, c, "bare", &api.AgentService{ID: "bare", Service: "bare", Address: address, Port: 8080})
		m.Await("it is seen", mirror.Has(ns, "bare", address+":8080"))
		t.Logf("change %d was seen after %s", i, time.Since(began))
	}
}

// Client agents answer from a stream, or ask the servers: both give the same.
func TestConsul17StreamingBackend(t *testing.T) {
	noLeaks(t)
	c := open(t)
	register(t, c, entry("cart", "cart-1", "10.0.0.1"), entry("cart", "cart-2", "10.0.0.2"), entry("stock", "stock-1", "10.0.1.1"))
	mirrors := make(map[bool]*mirror.Mirror)
	for _, streaming := range []bool{true, false} {
		agent, err := c.AddAgent(t.Context(), cluster.ConsulAgentOptions{
			Name: fmt.Sprintf("agent-%t", streaming), Config: map[string]any{"use_streaming_backend": streaming},
		})
		must(t, err)
		t.Cleanup(agent.Kill)
		config := reading(t, c)
		config.Address = agent.URL()
		mirrors[streaming] = mirror.Start(t, source(t, config))
		mirrors[streaming].Await("the first state is complete", mirror.Synced)
	}
	await := func(what string, done func(m *mirror.Mirror) bool) {
		t.Helper()
		for streaming, m := range mirrors {
			m.Await(fmt.Sprintf("%s, streaming %t", what, streaming), done)
		}
		if !same(mirrors[true], mirrors[false]) {
			t.Fatalf("%s: they differ:\n%s\nand\n%s", what, mirrors[true], mirrors[false])
		}
	}
	await("all is there", mirror.Has(ns, "cart", "10.0.0.1:8080", "10.0.0.2:8080"))
	register(t, c, entry("cart", "cart-3", "10.0.0.3"))
	await("one more", mirror.Has(ns, "cart", "10.0.0.1:8080", "10.0.0.2:8080", "10.0.0.3:8080"))
	must(t, c.SetStatus(t.Context(), entry("cart", "cart-3", "10.0.0.3"), api.HealthCritical))
	await("one is critical", mirror.Has(ns, "cart", "10.0.0.1:8080", "10.0.0.2:8080", "10.0.0.3:8080 unhealthy"))
	must(t, c.Deregister(t.Context(), "node-cart-1", "cart-1"))
	await("one is gone", mirror.Has(ns, "cart", "10.0.0.2:8080", "10.0.0.3:8080 unhealthy"))
	must(t, c.Deregister(t.Context(), "node-cart-2", "cart-2"))
	must(t, c.Deregister(t.Context(), "node-cart-3", "cart-3"))
	await("all are gone", mirror.Has(ns, "cart"))
	await("the service is gone", func(m *mirror.Mirror) bool { return m.Services[serviceID("cart")] == nil })
	for streaming, m := range mirrors {
		for _, u := range m.Log {
			if u.Trouble != nil {
				t.Errorf("streaming %t: there was trouble: %v", streaming, u.Trouble)
			}
		}
	}
}

// A stream does not say what access rules hide: what it lacks is asked of the leader before it is believed.
func TestConsul17StreamingTokenLosesRights(t *testing.T) {
	noLeaks(t)
	c := open(t)
	register(t, c, entry("cart", "cart-1", "10.0.0.1"), entry("cart", "cart-2", "10.0.0.2"))
	agent, err := c.AddAgent(t.Context(), cluster.ConsulAgentOptions{Name: "agent-rights", Config: map[string]any{
		"use_streaming_backend": true, "acl": map[string]any{"token_ttl": "1s", "policy_ttl": "1s"},
	}})
	must(t, err)
	t.Cleanup(agent.Kill)
	config, token := withToken(t, c)
	config.Address = agent.URL()
	config.Wait = time.Second // The stream lacks the rows at once, and says so to a query when that has waited.
	m := mirror.Start(t, source(t, config))
	m.Await("the first state is complete", mirror.Synced)
	must(t, c.SetRules(t.Context(), token, `service_prefix "" { policy = "read" }`))
	updates := m.Await("trouble is told", mirror.Troubled)
	updates = append(updates, m.Drain(5*time.Second)...)
	takesNothing(t, updates)
	must(t, c.SetRules(t.Context(), token, cluster.ReadRules))
	m.Await("all is well", mirror.Well)
	if !mirror.Has(ns, "cart", "10.0.0.1:8080", "10.0.0.2:8080")(m) {
		t.Errorf("something is lost:\n%s", m)
	}
}

func same(a, b *mirror.Mirror) bool {
	return maps.EqualFunc(a.Services, b.Services, (*discovery.Service).Equal) &&
		maps.EqualFunc(a.Endpoints, b.Endpoints, (*discovery.EndpointSet).Equal) &&
		maps.EqualFunc(a.Workloads, b.Workloads, (*discovery.Workload).Equal)
}

func TestConsul18TenThousandInstances(t *testing.T) {
	const count = 10000
	noLeaks(t)
	c := cluster.StartConsul(t, cluster.ConsulOptions{})
	instances := services(count)
	for i := range instances {
		instances[i].Service = "big"
		instances[i].Meta = map[string]string{"version": "v1", "team": "shop"}
		instances[i].Tags = []string{"primary"}
	}
	fill(t, c, instances)
	source := source(t, reading(t, c))
	before := heap()
	began := time.Now()
	m := mirror.Start(t, source)
	m.Await("the first state is complete", mirror.Synced)
	took := time.Since(began)
	used := heap() - before
	t.Logf("complete after %s, with %d MB", took, used>>20)
	if got := len(m.Addresses(ns, "big")); got != count {
		t.Errorf("of %d endpoints there are %d", count, got)
	}
	if took > 20*time.Second || used > 64<<20 {
		t.Errorf("%d instances took %s and %d MB", count, took, used>>20)
	}
	must(t, c.Deregister(t.Context(), "node-0", "id-0"))
	began = time.Now()
	updates := m.Await("one less is seen", func(m *mirror.Mirror) bool { return len(m.Addresses(ns, "big")) == count-1 })
	t.Logf("one less is seen after %s", time.Since(began))
	if len(updates) != 1 || len(updates[0].Workloads) != 1 {
		t.Errorf("%d updates, of %d workloads in the first", len(updates), len(updates[0].Workloads))
	}
}

// heap is what is in use.
func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
