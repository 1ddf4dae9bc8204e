package build

import (
	"net/netip"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy"
	"outrigger.dev/outrigger/policy/ir"
)

// edge is a number from the list in doc.go.
type edge uint8

// The edges of doc.go.
const (
	shardToPorts edge = iota + 1
	serviceToPorts
	serviceToAddresses
	shardToWorkloads
	serviceToWorkloads
	serviceToProxies
	proxyToWorkloads
	egressToWorkloads
	peerToWorkloads
	meshToWorkloads
	meshToCapture
	workloadToClass
	workloadToView
	workloadToPorts
	peersToCluster
	retirementToPeers
	proxylessToPorts
	portToGRPC
	namesToCluster
	portToZones
	zoneToPorts
	zonesToViews

	lastEdge = zonesToViews
)

// edgeSet is a set of edges.
type edgeSet uint32

func setOf(e edge) edgeSet { return 1 << e }

func (b *Builder) isCut(e edge) bool { return b.cut&setOf(e) != 0 }

// walkShardToPorts is edge 1.
func (b *Builder) walkShardToPorts(s *service, port uint16) {
	if !b.isCut(shardToPorts) {
		b.dirty.port(s, port)
	}
}

// walkServiceToPorts is edge 2.
func (b *Builder) walkServiceToPorts(s *service) {
	if !b.isCut(serviceToPorts) {
		s.dirtyPorts = true
		b.dirty.service(s)
	}
}

// walkServiceToAddresses is edge 3. The addresses are those that the service claims or did.
func (b *Builder) walkServiceToAddresses(s *service, addresses ...[]netip.Addr) {
	if b.isCut(serviceToAddresses) {
		return
	}
	b.dirty.listeners(s)
	for _, list := range addresses {
		for _, address := range list {
			for _, other := range b.claims[address] {
				b.dirty.listeners(other)
			}
		}
	}
}

// walkShardToWorkloads is edge 4.
func (b *Builder) walkShardToWorkloads(w *workload) {
	if !b.isCut(shardToWorkloads) {
		b.dirty.workload(w)
	}
}

// walkServiceToWorkloads is edge 5.
func (b *Builder) walkServiceToWorkloads(s *service) {
	if b.isCut(serviceToWorkloads) {
		return
	}
	for _, shard := range s.shards {
		for i := range shard.Value.Ports {
			for j := range shard.Value.Ports[i].Endpoints {
				if w := b.workloads[shard.Value.Ports[i].Endpoints[j].Workload]; w != nil {
					b.dirty.workload(w)
				}
			}
		}
	}
}

// walkServiceToProxies is edge 6.
func (b *Builder) walkServiceToProxies(s *service) {
	if b.isCut(serviceToProxies) {
		return
	}
	for p := range s.namedBy {
		b.dirty.proxy(p)
	}
}

// walkProxyToWorkloads is edge 7; rule is nil when it has gone.
func (b *Builder) walkProxyToWorkloads(p *proxy, rule *policy.ProxyRule) {
	if b.isCut(proxyToWorkloads) {
		return
	}
	for w := range p.users {
		b.dirty.rules(w)
	}
	if rule == nil {
		return
	}
	for w := range b.workloadsOf(rule.Selector.Namespace) {
		if rule.Selector.Matches(w.value) {
			b.dirty.rules(w)
		}
	}
}

// walkEgressToWorkloads is edge 8.
func (b *Builder) walkEgressToWorkloads(p *proxy) {
	if b.isCut(egressToWorkloads) {
		return
	}
	for w := range p.users {
		b.dirty.workload(w)
	}
}

// walkPeerToWorkloads is edge 9; one of the two rules may be nil.
func (b *Builder) walkPeerToWorkloads(old, rule *policy.PeerRule) {
	if b.isCut(peerToWorkloads) {
		return
	}
	if old != nil {
		for w := range b.workloadsOf(old.Selector.Namespace) {
			if w.peer == old {
				b.dirty.rules(w)
			}
		}
	}
	if rule != nil {
		for w := range b.workloadsOf(rule.Selector.Namespace) {
			if rule.Selector.Matches(w.value) {
				b.dirty.rules(w)
			}
		}
	}
}

// walkMeshToWorkloads is edge 10.
func (b *Builder) walkMeshToWorkloads() {
	if b.isCut(meshToWorkloads) {
		return
	}
	for _, w := range b.workloads {
		b.dirty.workload(w)
	}
}

// walkMeshToCapture is edge 11.
func (b *Builder) walkMeshToCapture() {
	if !b.isCut(meshToCapture) {
		b.mesh.captureDirty = true
	}
}

// walkWorkloadToClass is edge 12.
func (b *Builder) walkWorkloadToClass(w *workload) {
	if !b.isCut(workloadToClass) {
		b.classify(w)
	}
}

// walkWorkloadToView is edge 13.
func (b *Builder) walkWorkloadToView(w *workload) {
	if !b.isCut(workloadToView) {
		b.dirty.view(w)
	}
}

// walkWorkloadToPorts is edge 14; was is how the workload was spoken to until now.
func (b *Builder) walkWorkloadToPorts(w *workload, was *stance) {
	if b.isCut(workloadToPorts) {
		return
	}
	for _, l := range w.leads {
		if !was.sameAt(l.target, &w.stance) {
			b.dirty.port(l.service, l.port)
		}
	}
}

// walkPeersToCluster is edge 15.
func (b *Builder) walkPeersToCluster(p *port) {
	if !b.isCut(peersToCluster) {
		p.dirtyCluster = true
	}
}

// walkRetirementToPeers is edge 16.
func (b *Builder) walkRetirementToPeers(s *service, p *port, identity string) {
	if b.isCut(retirementToPeers) {
		return
	}
	delete(p.retired, identity)
	p.dirtyCluster = true
	b.dirty.port(s, p.number)
}

// walkProxylessToPorts is edge 17.
func (b *Builder) walkProxylessToPorts() {
	if b.isCut(proxylessToPorts) {
		return
	}
	for _, s := range b.services {
		for _, p := range s.ports {
			p.dirty = true
			b.dirty.service(s)
		}
	}
}

// walkPortToGRPC is edge 18.
func (b *Builder) walkPortToGRPC(s *service, p *port) {
	if !b.isCut(portToGRPC) {
		b.resolveGRPC(s, p)
	}
}

// walkNamesToCluster is edge 19; dns is what the cluster is to hold from now on.
func (b *Builder) walkNamesToCluster(p *port, dns *ir.DNS) {
	if !b.isCut(namesToCluster) {
		p.dns, p.dirtyCluster = dns, true
	}
}

// walkPortToZones is edge 20; the endpoints are those that the port has now.
func (b *Builder) walkPortToZones(s *service, p *port, endpoints []discovery.Endpoint, zoned bool) {
	if !b.isCut(portToZones) {
		b.resolveZones(s, p, endpoints, zoned)
	}
}

// walkZoneToPorts is edge 21.
func (b *Builder) walkZoneToPorts() {
	if b.isCut(zoneToPorts) {
		return
	}
	for p, s := range b.zoned {
		p.dirty = true
		b.dirty.service(s)
	}
}

// walkZonesToViews is edge 22.
func (b *Builder) walkZonesToViews() {
	if b.isCut(zonesToViews) {
		return
	}
	for _, w := range b.workloads {
		if w.zone != "" {
			b.dirty.view(w)
		}
	}
}

// workloadsOf returns the known workloads of a namespace.
func (b *Builder) workloadsOf(name string) map[*workload]struct{} {
	if n := b.namespaces[name]; n != nil {
		return n.workloads
	}
	return nil
}

// lookup returns the service of that id, or nil.
func (b *Builder) lookup(id discovery.ServiceID) *discovery.Service {
	if s := b.services[id]; s != nil {
		return s.value
	}
	return nil
}
