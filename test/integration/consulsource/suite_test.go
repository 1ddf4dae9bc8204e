package consulsource_test

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/discovery/consul"
	"outrigger.dev/outrigger/discovery/sourcetest"
	"outrigger.dev/outrigger/test/cluster"
	"outrigger.dev/outrigger/test/fault"
)

// The suite of every source, over HTTP/2 with access rules, and over plain HTTP/1.1.
func TestSuite(t *testing.T) {
	t.Run("HTTP2", func(t *testing.T) { suite(t, shared) })
	t.Run("HTTP1", func(t *testing.T) { suite(t, cluster.StartConsul(t, cluster.ConsulOptions{Plain: true})) })
}

func suite(t *testing.T, c *cluster.Consul) {
	t.Helper()
	config := reading(t, c)
	sourcetest.Run(t, func(t *testing.T) sourcetest.Registry {
		t.Helper()
		wipe(t, c)
		proxy := fault.Start(t, c.Host())
		config.Address = c.Scheme() + "://" + proxy.Addr()
		return &registry{
			consul: c, proxy: proxy, config: config,
			services: make(map[discovery.ServiceID]sourcetest.Service), workloads: make(map[discovery.WorkloadID]sourcetest.Workload),
		}
	})
}

// registry writes the suite's services and instances into Consul. Consul knows no namespaces, no services without instances, and
// no virtual addresses without them: a service is <namespace>-<name>, and has a placeholder that carries what belongs to all.
type registry struct {
	consul    *cluster.Consul
	proxy     *fault.Proxy
	config    consul.Config
	services  map[discovery.ServiceID]sourcetest.Service
	workloads map[discovery.WorkloadID]sourcetest.Workload
}

const placeholderNode = "placeholder"

func (r *registry) Source(t *testing.T) discovery.Source {
	t.Helper()
	return renamed{source(t, r.config)}
}

func (r *registry) PutService(t *testing.T, s sourcetest.Service) {
	t.Helper()
	r.services[s.ID] = s
	must(t, r.register(&api.CatalogRegistration{
		Node: placeholderNode, Address: "192.0.2.1",
		Service: &api.AgentService{
			ID: s.ID.Namespace + "-" + s.ID.Name, Service: s.ID.Namespace + "-" + s.ID.Name, Address: "-",
			Meta:            map[string]string{"outrigger-port": strconv.Itoa(int(s.Port))},
			TaggedAddresses: map[string]api.ServiceAddress{"virtual": {Address: s.VIP.String(), Port: int(s.Port)}},
		},
	}))
	for _, w := range r.workloads {
		if w.App == s.App {
			r.PutWorkload(t, w)
		}
	}
}

func (r *registry) DeleteService(t *testing.T, id discovery.ServiceID) {
	t.Helper()
	delete(r.services, id)
	must(t, r.consul.Deregister(t.Context(), placeholderNode, id.Namespace+"-"+id.Name))
}

func (r *registry) PutWorkload(t *testing.T, w sourcetest.Workload) {
	t.Helper()
	r.workloads[w.ID] = w
	for _, s := range r.services {
		if s.App == w.App && s.ID.Namespace == w.ID.Namespace {
			r.putInstance(t, s, w)
		}
	}
}

func (r *registry) putInstance(t *testing.T, s sourcetest.Service, w sourcetest.Workload) {
	t.Helper()
	status := api.HealthPassing
	if w.Health == discovery.Unhealthy {
		status = api.HealthCritical
	}
	maintenance := api.ServiceMaintPrefix + w.ID.Name
	registration := &api.CatalogRegistration{
		Node: w.ID.Namespace, Address: "192.0.2.2",
		Service: &api.AgentService{
			ID: w.ID.Name, Service: s.ID.Namespace + "-" + s.ID.Name, Address: w.Address.String(), Port: int(s.TargetPort),
			Meta:            map[string]string{"outrigger-service-account": w.Account, "outrigger-port": strconv.Itoa(int(s.Port))},
			TaggedAddresses: map[string]api.ServiceAddress{"virtual": {Address: s.VIP.String(), Port: int(s.Port)}},
		},
		Checks: api.HealthChecks{{Node: w.ID.Namespace, CheckID: "service:" + w.ID.Name, ServiceID: w.ID.Name, Status: status}},
	}
	if w.Health == discovery.Draining {
		registration.Checks = append(registration.Checks, &api.HealthCheck{
			Node: w.ID.Namespace, CheckID: maintenance, ServiceID: w.ID.Name, Status: api.HealthCritical,
		})
	}
	must(t, r.register(registration))
	if w.Health != discovery.Draining {
		_, err := r.consul.Client().Catalog().Deregister(&api.CatalogDeregistration{Node: w.ID.Namespace, CheckID: maintenance}, nil)
		must(t, err)
	}
}

func (r *registry) DeleteWorkload(t *testing.T, id discovery.WorkloadID) {
	t.Helper()
	delete(r.workloads, id)
	must(t, r.consul.Deregister(t.Context(), id.Namespace, id.Name))
}

func (r *registry) Break(t *testing.T) {
	t.Helper()
	must(t, r.proxy.Set(fault.Cut()))
}

func (r *registry) Mend(t *testing.T) {
	t.Helper()
	must(t, r.proxy.Set(fault.Pass()))
}

func (r *registry) register(registration *api.CatalogRegistration) error {
	_, err := r.consul.Client().Catalog().Register(registration, nil)
	return err
}

// renamed gives services and instances the names that the suite knows.
type renamed struct{ discovery.Source }

func (r renamed) Run(ctx context.Context, out chan<- discovery.Update) error {
	inner, ended := make(chan discovery.Update), make(chan error, 1)
	go func() { ended <- r.Source.Run(ctx, inner) }()
	for {
		select {
		case err := <-ended:
			return err
		case update := <-inner:
			select {
			case out <- rename(update):
			case <-ctx.Done():
			}
		}
	}
}

func rename(u discovery.Update) discovery.Update {
	service := func(id discovery.ServiceID) discovery.ServiceID {
		namespace, name, _ := strings.Cut(id.Name, "-")
		return discovery.ServiceID{Namespace: namespace, Name: name}
	}
	workload := func(id discovery.WorkloadID) discovery.WorkloadID {
		namespace, name, _ := strings.Cut(id.Name, ".")
		return discovery.WorkloadID{Namespace: namespace, Name: name}
	}
	shard := func(id discovery.ShardID) discovery.ShardID {
		return discovery.ShardID{Service: service(id.Service), Source: id.Source}
	}
	u.Services = renameMap(u.Services, service, func(s *discovery.Service) { s.ID = service(s.ID) })
	u.Endpoints = renameMap(u.Endpoints, shard, func(s *discovery.EndpointSet) {
		s.ID = shard(s.ID)
		s.Ports = slices.Clone(s.Ports)
		for i := range s.Ports {
			s.Ports[i].Endpoints = slices.Clone(s.Ports[i].Endpoints)
			for j := range s.Ports[i].Endpoints {
				s.Ports[i].Endpoints[j].Workload = workload(s.Ports[i].Endpoints[j].Workload)
			}
		}
	})
	u.Workloads = renameMap(u.Workloads, workload, func(w *discovery.Workload) { w.ID = workload(w.ID) })
	return u
}

func renameMap[K comparable, V any](from map[K]*V, key func(K) K, change func(*V)) map[K]*V {
	to := make(map[K]*V, len(from))
	for k, v := range from {
		if v != nil {
			v = new(*v)
			change(v)
		}
		to[key(k)] = v
	}
	return to
}

// wipe removes all nodes but the servers.
func wipe(t *testing.T, c *cluster.Consul) {
	t.Helper()
	nodes, _, err := c.Client().Catalog().Nodes(nil)
	must(t, err)
	for _, node := range nodes {
		if !isAgent(c, node.Node) {
			must(t, c.DeregisterNode(t.Context(), node.Node))
		}
	}
}

func isAgent(c *cluster.Consul, node string) bool {
	for _, server := range c.Servers {
		if server.Name == node {
			return true
		}
	}
	return strings.HasPrefix(node, "agent-")
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
