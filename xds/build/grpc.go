package build

import (
	"outrigger.dev/outrigger/policy"
	"outrigger.dev/outrigger/policy/ir"
	"outrigger.dev/outrigger/xds/translate"
)

// grpcPort is what programs without a proxy have of a port of a service. It is there while any such program is.
type grpcPort struct {
	target     output
	upstream   *ir.Upstream
	cluster    output
	endpoints  *ir.Endpoints
	assignment output
}

// countProxyless keeps the number of programs without a proxy.
func (b *Builder) countProxyless(was, is bool) {
	switch {
	case is && !was:
		b.proxyless++
	case was && !is:
		b.proxyless--
	}
}

// resolveGRPC brings the gRPC form of a port, whose other form is up to date, up to date itself, or takes it away.
func (b *Builder) resolveGRPC(s *service, p *port) {
	sp, _ := s.value.Port(p.number)
	if b.proxyless == 0 || !policy.DialedByGRPC(sp.Protocol) {
		b.withdrawGRPC(p)
		return
	}
	if p.grpc == nil {
		p.grpc = &grpcPort{}
	}
	g := p.grpc
	if g.target.resources == nil || g.target.from != s.origin {
		b.publish(GRPCLayer, &g.target, s.origin, translate.GRPCTarget(ir.Target{Service: s.id, Port: p.number})...)
	}
	peers := policy.GRPCPeers(p.inUse, p.peers())
	endpoints := policy.ResolveGRPCEndpoints(p.endpoints, peers)
	upstream := policy.ResolveUpstream(s.value, sp, peers)
	upstream.DNS = policy.ResolveDNS(endpoints)
	if !upstream.Equal(g.upstream) || g.cluster.from != s.origin {
		g.upstream = upstream
		b.publish(GRPCLayer, &g.cluster, s.origin, translate.GRPCCluster(upstream))
	}
	b.resolveGRPCAssignment(s, g, endpoints)
}

// resolveGRPCAssignment publishes the endpoints, unless the cluster resolves a name.
func (b *Builder) resolveGRPCAssignment(s *service, g *grpcPort, endpoints *ir.Endpoints) {
	if g.upstream.DNS != nil {
		g.endpoints = endpoints
		b.withdraw(GRPCLayer, &g.assignment)
		return
	}
	if !endpoints.Equal(g.endpoints) || g.assignment.from != s.origin {
		g.endpoints = endpoints
		b.publish(GRPCLayer, &g.assignment, s.origin, translate.GRPCEndpoints(endpoints))
	}
}

func (b *Builder) withdrawGRPC(p *port) {
	if p.grpc == nil {
		return
	}
	b.withdraw(GRPCLayer, &p.grpc.target)
	b.withdraw(GRPCLayer, &p.grpc.cluster)
	b.withdraw(GRPCLayer, &p.grpc.assignment)
	p.grpc = nil
}
