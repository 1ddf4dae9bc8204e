package policy_test

import (
	"slices"
	"testing"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy"
	"outrigger.dev/outrigger/policy/ir"
	"outrigger.dev/outrigger/test/golden"
)

// goldenMesh is what a file in testdata/in holds: a whole small mesh, as sources and the compiler give it.
type goldenMesh struct {
	TrustDomain string
	Mesh        []*policy.MeshRule
	Proxies     []*policy.ProxyRule
	Peers       []*policy.PeerRule
	Workloads   []*discovery.Workload
	Services    []*discovery.Service
	Endpoints   []serviceEndpoints
}

type serviceEndpoints struct {
	Service   discovery.ServiceID
	Port      uint16
	Endpoints []discovery.Endpoint
	Hosts     []discovery.Host
}

// goldenIR is what it resolves to.
type goldenIR struct {
	Upstreams []*ir.Upstream
	Endpoints []*ir.Endpoints
	VIPs      []ir.Outbound
	Workloads []workloadIR
}

type workloadIR struct {
	ID       discovery.WorkloadID
	Inbound  *ir.Inbound
	Egress   []ir.Outbound
	Scope    scope
	Problems []string
}

type scope struct {
	All        bool
	Namespaces []string
	Services   []discovery.ServiceID
}

func TestGolden(t *testing.T) {
	golden.Run(t, "testdata/in", "testdata/out", func(t *testing.T, input []byte) map[string][]byte {
		t.Helper()
		var m goldenMesh
		golden.Read(t, input, &m)
		return map[string][]byte{"ir.yaml": golden.Write(t, m.resolve())}
	})
}

func (m *goldenMesh) resolve() goldenIR {
	var out goldenIR
	for _, svc := range m.Services {
		for _, port := range svc.Ports {
			peers, endpoints := m.port(svc.ID, port.Port)
			upstream := policy.ResolveUpstream(svc, port, peers)
			upstream.DNS = policy.ResolveDNS(endpoints)
			out.Upstreams = append(out.Upstreams, upstream)
			out.Endpoints = append(out.Endpoints, endpoints)
		}
		out.VIPs = append(out.VIPs, policy.ResolveVIPs(svc)...)
	}
	for _, w := range m.Workloads {
		out.Workloads = append(out.Workloads, m.workload(w))
	}
	return out
}

// port does what the builder does from stored values.
func (m *goldenMesh) port(id discovery.ServiceID, port uint16) (ir.Peers, *ir.Endpoints) {
	var endpoints []discovery.Endpoint
	var hosts []discovery.Host
	for _, e := range m.Endpoints {
		if e.Service == id && e.Port == port {
			endpoints, hosts = e.Endpoints, e.Hosts
		}
	}
	peers := ir.Peers{Plain: len(hosts) > 0}
	for i := range endpoints {
		peer := m.peer(&endpoints[i])
		peers.Plain = peers.Plain || !peer.Mesh
		if peer.Mesh {
			peers.Identities = append(peers.Identities, peer.Identity)
		}
	}
	slices.Sort(peers.Identities)
	peers.Identities = slices.Compact(peers.Identities)
	return peers, policy.AddHosts(policy.ResolveEndpoints(id, port, endpoints, m.peer), hosts)
}

func (m *goldenMesh) peer(e *discovery.Endpoint) policy.Peer {
	for _, w := range m.Workloads {
		if w.ID == e.Workload {
			rule := policy.Listening(policy.PickProxy(m.Proxies, w), w)
			mode := policy.ClientMode(policy.PickMesh(m.Mesh), policy.PickPeer(m.Peers, w), rule, e.Address.Port())
			return policy.PeerOf(w, mode, m.TrustDomain)
		}
	}
	return policy.PeerOf(nil, ir.Permissive, m.TrustDomain)
}

func (m *goldenMesh) workload(w *discovery.Workload) workloadIR {
	proxy := policy.PickProxy(m.Proxies, w)
	out := workloadIR{ID: w.ID}
	var problems, more []discovery.Problem
	out.Inbound, problems = policy.ResolveInbound(policy.InboundInput{
		Workload: w, Proxy: proxy, Peer: policy.PickPeer(m.Peers, w), Mesh: policy.PickMesh(m.Mesh),
		Ports: m.targetPorts(w), TrustDomain: m.TrustDomain,
	})
	out.Egress, more = policy.ResolveEgress(policy.Listening(proxy, w), m.service)
	problems = append(problems, more...)
	for _, p := range append(problems, policy.CheckScope(proxy, m.service)...) {
		text := p.Reason + ": " + p.String()
		if p.Warning {
			text = "warning: " + text
		}
		out.Problems = append(out.Problems, text)
	}
	out.Scope.All, out.Scope.Namespaces, out.Scope.Services = policy.ResolveScope(proxy)
	return out
}

func (m *goldenMesh) service(id discovery.ServiceID) *discovery.Service {
	for _, svc := range m.Services {
		if svc.ID == id {
			return svc
		}
	}
	return nil
}

func (m *goldenMesh) targetPorts(w *discovery.Workload) []policy.TargetPort {
	var out []policy.TargetPort
	for _, list := range m.Endpoints {
		for _, e := range list.Endpoints {
			if e.Workload == w.ID {
				port, _ := m.service(list.Service).Port(list.Port)
				out = append(out, policy.TargetPort{Port: e.Address.Port(), Protocol: port.Protocol, Service: list.Service})
			}
		}
	}
	slices.SortFunc(out, func(a, b policy.TargetPort) int {
		if a.Port != b.Port {
			return int(a.Port) - int(b.Port)
		}
		return a.Service.Compare(b.Service)
	})
	return out
}
