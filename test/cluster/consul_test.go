package cluster_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"

	"outrigger.dev/outrigger/test/cluster"
	"outrigger.dev/outrigger/test/fault"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var web1 = cluster.Instance{Node: "n1", NodeAddress: "10.0.0.1", Service: "web", ID: "web-1", Address: "10.0.0.11", Port: 80}

// statuses are the ids and statuses of the instances of web, in the catalog's order.
func statuses(t *testing.T, client *api.Client) string {
	t.Helper()
	entries, _, err := client.Health().Service("web", "", false, &api.QueryOptions{RequireConsistent: true})
	must(t, err)
	var all []string
	for _, e := range entries {
		all = append(all, e.Service.ID+" "+e.Checks.AggregatedStatus())
	}
	return strings.Join(all, ", ")
}

func TestConsulCatalog(t *testing.T) {
	c := cluster.StartConsul(t, cluster.ConsulOptions{Plain: true})
	ctx := t.Context()
	must(t, c.Register(ctx, web1))
	if got := statuses(t, c.Client()); got != "web-1 passing" {
		t.Errorf("after registering: %q", got)
	}
	must(t, c.SetStatus(ctx, web1, api.HealthCritical))
	if got := statuses(t, c.Client()); got != "web-1 critical" {
		t.Errorf("after the check failed: %q", got)
	}
	must(t, c.Deregister(ctx, "n1", "web-1"))
	if got := statuses(t, c.Client()); got != "" {
		t.Errorf("after deregistering: %q", got)
	}
	must(t, c.DeregisterNode(ctx, "n1"))
	if node, _, err := c.Client().Catalog().Node("n1", nil); err != nil || node != nil {
		t.Errorf("after deregistering the node: %v, error %v", node, err)
	}
}

func TestConsulTLS(t *testing.T) {
	c := cluster.StartConsul(t, cluster.ConsulOptions{})
	ca, err := os.ReadFile(c.CAFile())
	must(t, err)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: x509.NewCertPool()}, ForceAttemptHTTP2: true}
	transport.TLSClientConfig.RootCAs.AppendCertsFromPEM(ca)
	defer transport.CloseIdleConnections()
	answer, err := (&http.Client{Transport: transport}).Get(c.URL() + "/v1/status/leader")
	must(t, err)
	defer answer.Body.Close()
	if answer.ProtoMajor != 2 || answer.StatusCode != http.StatusOK {
		t.Errorf("%s: %s, want 200 over HTTP/2", answer.Proto, answer.Status)
	}
}

func TestConsulTokens(t *testing.T) {
	c := cluster.StartConsul(t, cluster.ConsulOptions{})
	ctx := t.Context()
	must(t, c.Register(ctx, web1))
	token, err := c.MakeToken(ctx, cluster.ReadRules)
	must(t, err)
	ask := func(secret string) (rows int, filtered bool, err error) {
		entries, meta, err := c.Client().Health().Service("web", "", false, &api.QueryOptions{Token: secret})
		if err != nil {
			return 0, false, err
		}
		return len(entries), meta.ResultsFilteredByACLs, nil
	}
	if rows, filtered, err := ask(token.Secret); rows != 1 || filtered || err != nil {
		t.Errorf("with rights: %d rows, filtered %t, error %v", rows, filtered, err)
	}
	must(t, c.SetRules(ctx, token, `service_prefix "" { policy = "read" }`))
	if rows, filtered, err := ask(token.Secret); rows != 0 || !filtered || err != nil {
		t.Errorf("without node:read: %d rows, filtered %t, error %v", rows, filtered, err)
	}
	must(t, c.DeleteToken(ctx, token))
	if _, _, err := ask(token.Secret); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("after deletion: %v, want 403", err)
	}
}

// A proxy in between shows what is asked, though it is asked over TLS.
func TestConsulRequestsAreLogged(t *testing.T) {
	c := cluster.StartConsul(t, cluster.ConsulOptions{})
	p, err := fault.Listen(fault.Config{Target: c.Host(), Keep: 4096, TLS: c.Servers[0].TLS()})
	must(t, err)
	defer p.Close()
	client, err := api.NewClient(&api.Config{Address: p.Addr(), Scheme: "https", TLSConfig: api.TLSConfig{CAFile: c.CAFile()}, Token: c.ManagementToken()})
	must(t, err)
	if got := statuses(t, client); got != "" {
		t.Errorf("instances %q, want none", got)
	}
	if log := p.Log(); len(log) != 1 || !strings.Contains(string(log[0].Sent), "GET /v1/health/service/web?consistent= HTTP/1.1") {
		t.Errorf("log %+v", log)
	}
}

func TestConsulLosesItsLeader(t *testing.T) {
	c := cluster.StartConsul(t, cluster.ConsulOptions{Servers: 3})
	ctx := t.Context()
	must(t, c.Register(ctx, web1))
	lost, err := c.KillLeader(ctx)
	must(t, err)
	next, err := c.AwaitLeader(ctx)
	must(t, err)
	if next == lost {
		t.Fatal("the same server leads")
	}
	if got := statuses(t, next.Client()); got != "web-1 passing" {
		t.Errorf("at the next leader: %q", got)
	}
	must(t, lost.Start(ctx))
	must(t, lost.AwaitReady(ctx))
	if got := statuses(t, lost.Client()); got != "web-1 passing" {
		t.Errorf("at the server that came back: %q", got)
	}
}

func TestConsulGoesBackToASnapshot(t *testing.T) {
	c := cluster.StartConsul(t, cluster.ConsulOptions{})
	ctx := t.Context()
	must(t, c.Register(ctx, web1))
	before, err := c.Snapshot(ctx)
	must(t, err)
	for i := range 20 {
		must(t, c.Register(ctx, cluster.Instance{Node: fmt.Sprint("late-", i), NodeAddress: "10.0.0.2", Service: "late", Port: 80}))
	}
	_, then, err := c.Client().Catalog().Services(nil)
	must(t, err)
	must(t, c.Restore(ctx, before))
	services, now, err := c.Client().Catalog().Services(&api.QueryOptions{RequireConsistent: true})
	must(t, err)
	if _, late := services["late"]; late || now.LastIndex >= then.LastIndex {
		t.Errorf("services %v at index %d, want those before index %d", services, now.LastIndex, then.LastIndex)
	}
	if got := statuses(t, c.Client()); got != "web-1 passing" {
		t.Errorf("after the restore: %q", got)
	}
}

func TestConsulClientAgent(t *testing.T) {
	c := cluster.StartConsul(t, cluster.ConsulOptions{})
	agent, err := c.AddAgent(t.Context(), cluster.ConsulAgentOptions{Name: "node-a"})
	must(t, err)
	must(t, agent.Client().Agent().ServiceRegister(&api.AgentServiceRegistration{Name: "web", Port: 80}))
	entries, _, err := agent.Client().Health().Service("web", "", false, &api.QueryOptions{RequireConsistent: true})
	must(t, err)
	if len(entries) != 1 || entries[0].Node.Node != "node-a" || entries[0].Node.Address != agent.IP.String() {
		t.Errorf("entries %v, want one on node-a", entries)
	}
}

func TestConsulDatacenters(t *testing.T) {
	east := cluster.StartConsul(t, cluster.ConsulOptions{Datacenter: "east"})
	west := cluster.StartConsul(t, cluster.ConsulOptions{Datacenter: "west", Beside: east})
	must(t, west.Register(t.Context(), web1))
	entries, _, err := east.Client().Health().Service("web", "", false, &api.QueryOptions{Datacenter: "west"})
	must(t, err)
	if len(entries) != 1 || entries[0].Node.Datacenter != "west" {
		t.Errorf("entries %v, want one of west", entries)
	}
}
