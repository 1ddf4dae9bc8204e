package consulsource_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/discovery/consul"
	"outrigger.dev/outrigger/test/cluster"
	"outrigger.dev/outrigger/test/fault"
	"outrigger.dev/outrigger/test/mirror"
)

// ns is where services appear.
const ns = consul.DefaultMeshNamespace

// open empties the shared datacenter for a test.
func open(t *testing.T) *cluster.Consul {
	t.Helper()
	wipe(t, shared)
	return shared
}

// register puts instances into the catalog.
func register(t *testing.T, c *cluster.Consul, instances ...cluster.Instance) {
	t.Helper()
	for _, i := range instances {
		must(t, c.Register(t.Context(), i))
	}
}

// entry is an instance of a service on a node of its own.
func entry(service, id, address string) cluster.Instance {
	return cluster.Instance{Node: "node-" + id, NodeAddress: "192.0.2.9", Service: service, ID: id, Address: address, Port: 8080}
}

// put registers what cluster.Instance cannot say.
func put(t *testing.T, c *cluster.Consul, node string, s *api.AgentService, checks ...*api.HealthCheck) {
	t.Helper()
	_, err := c.Client().Catalog().Register(&api.CatalogRegistration{
		Node: node, Address: "192.0.2.9", Service: s, Checks: checks,
	}, nil)
	must(t, err)
}

// maxOps is how many operations a transaction of Consul may have.
const maxOps = 128

// fill registers many instances, one check each, some of them in a transaction.
func fill(t *testing.T, c *cluster.Consul, instances []cluster.Instance) {
	t.Helper()
	for group := range slices.Chunk(instances, maxOps/3) {
		var ops api.TxnOps
		for _, i := range group {
			ops = append(ops,
				&api.TxnOp{Node: &api.NodeTxnOp{Verb: api.NodeSet, Node: api.Node{Node: i.Node, Address: i.NodeAddress}}},
				&api.TxnOp{Service: &api.ServiceTxnOp{Verb: api.ServiceSet, Node: i.Node, Service: api.AgentService{
					ID: i.ID, Service: i.Service, Address: i.Address, Port: i.Port, Meta: i.Meta, Tags: i.Tags,
				}}},
				&api.TxnOp{Check: &api.CheckTxnOp{Verb: api.CheckSet, Check: api.HealthCheck{
					Node: i.Node, CheckID: "service:" + i.ID, ServiceID: i.ID, ServiceName: i.Service, Status: api.HealthPassing,
				}}})
		}
		done, answer, _, err := c.Client().Txn().Txn(ops, nil)
		must(t, err)
		if !done {
			t.Fatalf("transaction: %v", answer.Errors)
		}
	}
}

// services are instances of as many services, on 50 nodes.
func services(count int) []cluster.Instance {
	instances := make([]cluster.Instance, count)
	for i := range instances {
		instances[i] = cluster.Instance{
			Node: fmt.Sprintf("node-%d", i%50), NodeAddress: "192.0.2.9", Service: fmt.Sprintf("service-%d", i), ID: fmt.Sprintf("id-%d", i),
			Address: fmt.Sprintf("10.1.%d.%d", i/250, i%250+1), Port: 8080,
		}
	}
	return instances
}

// behind returns a config that reaches the datacenter through a proxy.
func behind(t *testing.T, c *cluster.Consul) (consul.Config, *fault.Proxy) {
	t.Helper()
	proxy := fault.Start(t, c.Host())
	config := reading(t, c)
	config.Address = c.Scheme() + "://" + proxy.Addr()
	return config, proxy
}

// withToken returns a config with a token of its own, which a test may spoil.
func withToken(t *testing.T, c *cluster.Consul) (consul.Config, cluster.ConsulToken) {
	t.Helper()
	config := reading(t, c)
	token, err := c.MakeToken(t.Context(), cluster.ReadRules)
	must(t, err)
	config.TokenFile = filepath.Join(t.TempDir(), "token")
	must(t, token.WriteFile(config.TokenFile))
	return config, token
}

// takesNothing fails the test for every update that removes or changes something, or that is without trouble.
func takesNothing(t *testing.T, updates []discovery.Update) {
	t.Helper()
	for _, u := range updates {
		if len(u.Services)+len(u.Endpoints)+len(u.Workloads) > 0 || u.Trouble == nil {
			t.Errorf("trouble took something away, or was over: %+v", u)
		}
	}
}

// says is a condition: the trouble has this in its text.
func says(text string) func(m *mirror.Mirror) bool {
	return func(m *mirror.Mirror) bool { return m.Trouble != nil && strings.Contains(m.Trouble.Error(), text) }
}

func serviceID(name string) discovery.ServiceID {
	return discovery.ServiceID{Namespace: ns, Name: name}
}
