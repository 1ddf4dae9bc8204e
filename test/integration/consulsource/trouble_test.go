package consulsource_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/test/cluster"
	"outrigger.dev/outrigger/test/fault"
	"outrigger.dev/outrigger/test/mirror"
)

// A restored snapshot sets indexes back and ends all queries at once.
func TestConsul01SnapshotRestored(t *testing.T) {
	noLeaks(t)
	c := cluster.StartConsul(t, cluster.ConsulOptions{})
	fill(t, c, services(300))
	source := source(t, reading(t, c)) // Its token is in the snapshot.
	snapshot, err := c.Snapshot(t.Context())
	must(t, err)
	register(t, c, entry("later", "later-1", "10.0.0.9"))
	must(t, c.Deregister(t.Context(), "node-7", "id-7"))
	m := mirror.Start(t, source)
	m.Await("the first state is complete", mirror.Synced)
	m.Await("what came later is there", mirror.Has(ns, "later", "10.0.0.9:8080"))
	must(t, c.Restore(t.Context(), snapshot))
	updates := m.Await("what was restored is there, and all is well", func(m *mirror.Mirror) bool {
		return m.Trouble == nil && mirror.Has(ns, "later")(m) && mirror.Has(ns, "service-7", "10.1.0.8:8080")(m)
	})
	// It need not be the first: the leader may confirm that "later" is gone before the catalog's index is seen to go back.
	if !slices.ContainsFunc(updates, func(u discovery.Update) bool { return u.Trouble != nil }) {
		t.Errorf("no update says that an index went back: %+v", updates)
	}
	for _, u := range updates {
		for id, set := range u.Endpoints {
			if id.Service.Name != "later" && id.Service.Name != "service-7" {
				t.Errorf("%s changed, which the snapshot has as it was: %v", id, set)
			}
		}
	}
	if source.Stats().Resets == 0 {
		t.Error("no reset is counted")
	}
}

// The catalog's index moves 50 times a second for something that is no part of the mesh.
func TestConsul03CatalogChurnsWithoutChange(t *testing.T) {
	noLeaks(t)
	c := open(t)
	register(t, c, entry("cart", "cart-1", "10.0.0.1"))
	source := source(t, reading(t, c))
	m := mirror.Start(t, source)
	m.Await("the first state is complete", mirror.Synced)
	before, began := source.Stats(), time.Now()
	const seconds = 4
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for i := range seconds * 50 {
		<-tick.C
		put(t, c, "churn", &api.AgentService{
			Kind: api.ServiceKindConnectProxy, ID: "churn", Service: "churn-sidecar-proxy", Port: 1000 + i,
			Proxy: &api.AgentServiceConnectProxyConfig{DestinationServiceName: "churn"},
		})
	}
	if updates := m.Drain(time.Second); len(updates) > 0 {
		t.Errorf("nothing of the mesh changed, and %d updates came: %+v", len(updates), updates[0])
	}
	after := source.Stats()
	// Two watches move: the catalog's, and that of the name that churns.
	most := 2 * (2 + 4*time.Since(began).Seconds())
	if wakes := after.Wakes - before.Wakes; float64(wakes) > most || wakes < seconds {
		t.Errorf("%d wakes in %s, of %.0f at most", wakes, time.Since(began), most)
	}
}

func TestConsul04TokenLosesRights(t *testing.T) {
	for name, rules := range map[string]string{
		"nodes":            `service_prefix "" { policy = "read" }`,
		"services":         `node_prefix "" { policy = "read" }`,
		"some services":    `node_prefix "" { policy = "read" } service_prefix "stock" { policy = "read" }`,
		"everything":       ``,
		"one service only": `node_prefix "" { policy = "read" } service_prefix "" { policy = "read" } service "cart" { policy = "deny" }`,
	} {
		t.Run(name, func(t *testing.T) {
			noLeaks(t)
			c := open(t)
			register(t, c, entry("cart", "cart-1", "10.0.0.1"), entry("cart", "cart-2", "10.0.0.2"), entry("stock", "stock-1", "10.0.1.1"))
			config, token := withToken(t, c)
			m := mirror.Start(t, source(t, config))
			m.Await("the first state is complete", mirror.Synced)
			must(t, c.SetRules(t.Context(), token, rules))
			must(t, c.SetStatus(t.Context(), entry("cart", "cart-2", "10.0.0.2"), api.HealthPassing))
			updates := m.Await("trouble is told", mirror.Troubled)
			updates = append(updates, m.Drain(3*time.Second)...)
			takesNothing(t, updates)
			must(t, c.SetRules(t.Context(), token, cluster.ReadRules))
			m.Await("the trouble is over", mirror.Well)
			if !mirror.Has(ns, "cart", "10.0.0.1:8080", "10.0.0.2:8080")(m) || !mirror.Has(ns, "stock", "10.0.1.1:8080")(m) {
				t.Errorf("something is lost:\n%s", m)
			}
		})
	}
}

func TestConsul05TokenIsDeleted(t *testing.T) {
	noLeaks(t)
	c := open(t)
	register(t, c, entry("cart", "cart-1", "10.0.0.1"))
	config, token := withToken(t, c)
	m := mirror.Start(t, source(t, config))
	m.Await("the first state is complete", mirror.Synced)
	must(t, c.DeleteToken(t.Context(), token))
	updates := m.Await("it is denied", says("denied"))
	updates = append(updates, m.Drain(3*time.Second)...)
	takesNothing(t, updates)
	next, err := c.MakeToken(t.Context(), cluster.ReadRules)
	must(t, err)
	must(t, next.WriteFile(config.TokenFile))
	m.Await("the trouble is over", mirror.Well)
	register(t, c, entry("cart", "cart-2", "10.0.0.2"))
	m.Await("changes are seen", mirror.Has(ns, "cart", "10.0.0.1:8080", "10.0.0.2:8080"))
}

func TestConsul05NetworkFails(t *testing.T) {
	for _, plain := range []bool{false, true} {
		c := cluster.StartConsul(t, cluster.ConsulOptions{Plain: plain})
		for name, mode := range map[string]fault.Mode{
			"cut": fault.Cut(), "hang": fault.Hang(), "reset mid-body": fault.ResetAfter(2000), "crawl": fault.Slow(1),
		} {
			t.Run(name+map[bool]string{false: " HTTP2", true: " HTTP1"}[plain], func(t *testing.T) {
				noLeaks(t)
				wipe(t, c)
				networkFails(t, c, mode)
			})
		}
	}
}

func networkFails(t *testing.T, c *cluster.Consul, mode fault.Mode) {
	t.Helper()
	fill(t, c, services(20))
	config, proxy := behind(t, c)
	config.Timeout = 2 * time.Second
	m := mirror.Start(t, source(t, config))
	m.Await("the first state is complete", mirror.Synced)
	must(t, proxy.Set(mode))
	updates := m.Await("trouble is told", mirror.Troubled)
	// What happens meanwhile is seen afterwards.
	must(t, c.Deregister(t.Context(), "node-3", "id-3"))
	register(t, c, entry("later", "later-1", "10.0.0.9"))
	updates = append(updates, m.Drain(2*time.Second)...)
	for _, u := range updates {
		for id, set := range u.Endpoints {
			if id.Service.Name != "service-3" && id.Service.Name != "later" {
				t.Errorf("%s changed to %v", id, set)
			}
		}
	}
	must(t, proxy.Set(fault.Pass()))
	m.Await("all is well and what happened is seen", func(m *mirror.Mirror) bool {
		return m.Trouble == nil && mirror.Has(ns, "service-3")(m) && mirror.Has(ns, "later", "10.0.0.9:8080")(m)
	})
}

func TestConsul07ServiceVanishesAndReturns(t *testing.T) {
	noLeaks(t)
	c := open(t)
	register(t, c, entry("cart", "cart-1", "10.0.0.1"))
	config := reading(t, c)
	config.Linger = time.Hour
	m := mirror.Start(t, source(t, config))
	m.Await("the first state is complete", mirror.Synced)
	for range 3 {
		must(t, c.Deregister(t.Context(), "node-cart-1", "cart-1"))
		m.Await("it is empty", mirror.Has(ns, "cart"))
		m.Drain(2 * config.Heartbeat)
		register(t, c, entry("cart", "cart-1", "10.0.0.1"))
		m.Await("it is filled again", mirror.Has(ns, "cart", "10.0.0.1:8080"))
	}
	for _, u := range m.Log {
		if s, told := u.Services[serviceID("cart")]; told && s == nil {
			t.Errorf("the service was gone in between: %+v", u)
		}
	}
}

func TestConsul14TokenRotates(t *testing.T) {
	noLeaks(t)
	c := open(t)
	register(t, c, entry("cart", "cart-1", "10.0.0.1"), entry("stock", "stock-1", "10.0.1.1"))
	config, token := withToken(t, c)
	m := mirror.Start(t, source(t, config))
	m.Await("the first state is complete", mirror.Synced)
	for i := range 3 {
		next, err := c.MakeToken(t.Context(), cluster.ReadRules)
		must(t, err)
		must(t, next.WriteFile(config.TokenFile))
		if updates := m.Drain(3 * time.Second); len(updates) > 0 {
			t.Errorf("rotation %d was noticed: %+v", i, updates)
		}
		must(t, c.DeleteToken(t.Context(), token))
		if updates := m.Drain(2 * time.Second); len(updates) > 0 {
			t.Errorf("the end of the token before was noticed, so it was still in use: %+v", updates)
		}
		token = next
	}
	register(t, c, entry("cart", "cart-2", "10.0.0.2"))
	m.Await("changes are seen", mirror.Has(ns, "cart", "10.0.0.1:8080", "10.0.0.2:8080"))
}

// The leader is lost, then the quorum: reads go on as long as anybody may answer, and nothing is lost when nobody may.
// TestConsul14TokenExpires: a token that ends by itself while queries wait takes nothing away, and what went meanwhile is told with the next one.
func TestConsul14TokenExpires(t *testing.T) {
	noLeaks(t)
	c := open(t)
	register(t, c, entry("cart", "cart-1", "10.0.0.1"), entry("stock", "stock-1", "10.0.1.1"))
	config := reading(t, c)
	token, err := c.MakeShortToken(t.Context(), cluster.ReadRules)
	must(t, err)
	began := time.Now()
	must(t, token.WriteFile(config.TokenFile))
	m := mirror.Start(t, source(t, config))
	m.Await("the first state is complete", mirror.Synced)
	updates := m.Await("it is denied", says("denied"))
	if lived := time.Since(began); lived < cluster.ShortestLife || lived > cluster.ShortestLife+20*time.Second {
		t.Errorf("it was denied after %s", lived)
	}
	updates = append(updates, m.Drain(3*time.Second)...)
	takesNothing(t, updates)
	if strings.Contains(m.Trouble.Error(), token.Secret) {
		t.Error("the trouble tells the token")
	}
	must(t, c.Deregister(t.Context(), "node-cart-1", "cart-1"))
	next, err := c.MakeToken(t.Context(), cluster.ReadRules)
	must(t, err)
	must(t, next.WriteFile(config.TokenFile))
	m.Await("what went meanwhile is told", func(m *mirror.Mirror) bool { return mirror.Well(m) && mirror.Has(ns, "cart")(m) })
	if !mirror.Has(ns, "stock", "10.0.1.1:8080")(m) {
		t.Errorf("something is lost:\n%s", m)
	}
}

func TestConsul16LeaderIsLost(t *testing.T) {
	noLeaks(t)
	c := cluster.StartConsul(t, cluster.ConsulOptions{Servers: 3})
	fill(t, c, services(20))
	leader, err := c.AwaitLeader(t.Context())
	must(t, err)
	var asked *cluster.ConsulAgent
	for _, server := range c.Servers {
		if server != leader {
			asked = server
		}
	}
	config := reading(t, c)
	config.Address = asked.URL()
	config.MaxStale = 2 * time.Second
	source := source(t, config)
	m := mirror.Start(t, source)
	m.Await("the first state is complete", mirror.Synced)

	_, err = c.KillLeader(t.Context())
	must(t, err)
	_, err = c.AwaitLeader(t.Context())
	must(t, err)
	register(t, c, entry("later", "later-1", "10.0.0.9"))
	updates := m.Await("what the new leader wrote is seen, and all is well", func(m *mirror.Mirror) bool {
		return m.Trouble == nil && mirror.Has(ns, "later", "10.0.0.9:8080")(m)
	})
	for _, u := range updates {
		for id := range u.Endpoints {
			if id.Service.Name != "later" {
				t.Errorf("%s changed with the leader", id)
			}
		}
	}

	for _, server := range c.Servers {
		if server != asked && server.Running() {
			server.Kill()
		}
	}
	updates = m.Await("the quorum is missed", mirror.Troubled)
	lost := source.Stats().ReadAt
	updates = append(updates, m.Drain(5*time.Second)...)
	takesNothing(t, updates)
	if at := source.Stats().ReadAt; !at.Equal(lost) {
		t.Errorf("without a leader data count as read at %s, after %s", at, lost)
	}
	for _, server := range c.Servers {
		if !server.Running() {
			must(t, server.Start(t.Context()))
		}
	}
	m.Await("all is well", mirror.Well)
}

// A source that starts while Consul is down says so, and is complete once it is there.
func TestConsul19ConsulIsDownAtTheStart(t *testing.T) {
	noLeaks(t)
	c := open(t)
	register(t, c, entry("cart", "cart-1", "10.0.0.1"))
	config, proxy := behind(t, c)
	must(t, proxy.Set(fault.Cut()))
	m := mirror.Start(t, source(t, config))
	m.Await("trouble is told", mirror.Troubled)
	m.Drain(2 * time.Second)
	if m.Synced {
		t.Error("the state of a registry that was never read is called complete")
	}
	must(t, proxy.Set(fault.Pass()))
	m.Await("the first state is complete", mirror.Well)
	if !mirror.Has(ns, "cart", "10.0.0.1:8080")(m) {
		t.Errorf("it is not complete:\n%s", m)
	}
}

// Confirm asks the leader, and the server's own view of the token.
func TestConfirm(t *testing.T) {
	noLeaks(t)
	c := open(t)
	register(t, c, entry("cart", "cart-1", "10.0.0.1"), entry("stock", "stock-1", "10.0.1.1"))
	config, token := withToken(t, c)
	source := source(t, config)
	m := mirror.Start(t, source)
	m.Await("the first state is complete", mirror.Synced)
	set, err := source.Confirm(t.Context(), serviceID("cart"))
	if want := m.Endpoints[discovery.ShardID{Service: serviceID("cart"), Source: source.ID()}]; err != nil || !set.Equal(want) {
		t.Errorf("it confirms %+v, %v; not %+v", set, err, want)
	}
	services, err := source.ConfirmServices(t.Context())
	if want := slices.SortedFunc(maps.Keys(m.Services), discovery.ServiceID.Compare); err != nil || !slices.Equal(services, want) {
		t.Errorf("the services are %v, %v; not %v", services, err, want)
	}
	workloads, err := source.ConfirmWorkloads(t.Context())
	if want := slices.SortedFunc(maps.Keys(m.Workloads), discovery.WorkloadID.Compare); err != nil || !slices.Equal(workloads, want) {
		t.Errorf("the instances are %v, %v; not %v", workloads, err, want)
	}
	set, err = source.Confirm(t.Context(), serviceID("nobody"))
	if err != nil || len(set.Ports) != 0 {
		t.Errorf("of a service that is not there it confirms %+v, %v", set, err)
	}
	must(t, c.SetRules(t.Context(), token, `service_prefix "" { policy = "read" }`))
	if set, err := source.Confirm(t.Context(), serviceID("cart")); err == nil || !strings.Contains(err.Error(), "access rules") {
		t.Errorf("with too few rights it confirms %+v, %v", set, err)
	}
	if ids, err := source.ConfirmWorkloads(t.Context()); err == nil || !strings.Contains(err.Error(), "access rules") {
		t.Errorf("with too few rights the instances are %v, %v", ids, err)
	}
}
