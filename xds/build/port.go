package build

import (
	"outrigger.dev/outrigger/policy"
	"outrigger.dev/outrigger/policy/ir"
	"outrigger.dev/outrigger/xds/translate"
)

// port is what is kept of one port of a service: a cluster and its assignment.
type port struct {
	number uint16
	// inUse are the peers of the present endpoints. retired are those of former ones that are still
	// accepted, with the number of their retirement; the empty identity stands for plain text.
	inUse   ir.Peers
	retired map[string]uint64

	upstream *ir.Upstream
	// dns is what stands in the cluster where proxies resolve names, nil elsewhere; then there is no assignment.
	dns        *ir.DNS
	cluster    output
	endpoints  *ir.Endpoints
	assignment output
	// zonal are the assignments of zones that have one of their own.
	zonal map[string]*zonal
	// grpc is nil while no program without a proxy can use it.
	grpc *grpcPort

	dirty, dirtyCluster bool
}

// syncPorts gives the service a record for each of its ports, all of them dirty.
func (b *Builder) syncPorts(s *service) {
	old := s.ports
	s.ports = nil
	if s.value != nil {
		for _, sp := range s.value.Ports {
			s.ports = append(s.ports, takePort(old, sp.Port))
		}
	}
	for _, p := range old {
		if s.port(p.number) == nil {
			b.withdraw(MeshLayer, &p.cluster)
			b.withdraw(MeshLayer, &p.assignment)
			b.withdrawGRPC(p)
			b.withdrawZones(p)
		}
	}
}

// takePort returns the port of that number from those that are known, or a new one.
func takePort(known []*port, number uint16) *port {
	taken := &port{number: number}
	for _, p := range known {
		if p.number == number {
			taken = p
		}
	}
	taken.dirty, taken.dirtyCluster = true, true
	return taken
}

// resolvePort brings the cluster and the assignment of a port up to date.
func (b *Builder) resolvePort(s *service, p *port) {
	b.work.Ports++
	p.dirty = false
	served, hosts := b.servedEndpoints(s, p.number), servedHosts(s, p.number)
	b.resolvePeers(s, p, served, len(hosts) > 0)
	endpoints := policy.AddHosts(policy.ResolveEndpoints(s.id, p.number, served, b.peerOf), hosts)
	dns := policy.ResolveDNS(endpoints)
	if !dns.Equal(p.dns) {
		b.walkNamesToCluster(p, dns)
	}
	b.resolveCluster(s, p)
	b.resolveAssignment(s, p, endpoints, dns != nil)
	b.walkPortToZones(s, p, served, policy.IsZoned(s.value, served, hosts))
	b.walkPortToGRPC(s, p)
}

func (b *Builder) resolveCluster(s *service, p *port) {
	if !p.dirtyCluster {
		return
	}
	p.dirtyCluster = false
	sp, _ := s.value.Port(p.number)
	upstream := policy.ResolveUpstream(s.value, sp, p.peers())
	upstream.DNS = p.dns
	if upstream.Equal(p.upstream) && p.cluster.from == s.origin {
		return
	}
	p.upstream = upstream
	b.publish(MeshLayer, &p.cluster, s.origin, translate.Cluster(upstream))
}

// resolveAssignment publishes the endpoints, unless they stand in the cluster.
func (b *Builder) resolveAssignment(s *service, p *port, endpoints *ir.Endpoints, inCluster bool) {
	if inCluster {
		p.endpoints = endpoints
		b.withdraw(MeshLayer, &p.assignment)
		return
	}
	if endpoints.Equal(p.endpoints) && p.assignment.from == s.origin {
		return
	}
	p.endpoints = endpoints
	b.publish(MeshLayer, &p.assignment, s.origin, translate.Endpoints(endpoints))
}
