package policy

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy/ir"
)

// DialedByGRPC reports whether programs without a proxy can dial a port: one on which requests are declared, since
// what speaks for other ports agrees to no HTTP/2.
func DialedByGRPC(p discovery.Protocol) bool { return p.IsHTTP() }

// Listening returns the rule as far as its listeners count for a workload: nil for programs without a proxy, whose scope
// it says only. Either may be nil.
func Listening(rule *ProxyRule, w *discovery.Workload) *ProxyRule {
	if w != nil && w.Proxyless {
		return nil
	}
	return rule
}

// GRPCPeers returns how programs without a proxy secure connections to an upstream with the present peers, which
// accepts others besides. gRPC knows one way for a whole cluster, so that mesh mTLS goes before plain text.
func GRPCPeers(present, accepted ir.Peers) ir.Peers {
	if present.Plain && len(present.Identities) == 0 {
		return ir.Peers{Plain: true}
	}
	return ir.Peers{Identities: accepted.Identities}
}

// ResolveGRPCEndpoints returns the endpoints that are spoken to as peers say, in the form that gRPC takes: each address
// once, one group for each locality and priority, priorities without a gap. Degraded
// endpoints are a priority of their own, behind all others, because gRPC does not know the state.
//
// gRPC resolves one name for a cluster and knows no name beside addresses. Names count only where there is no
// address, and then one of them does.
func ResolveGRPCEndpoints(all *ir.Endpoints, peers ir.Peers) *ir.Endpoints {
	out := &ir.Endpoints{Service: all.Service, Port: all.Port, Subset: all.Subset}
	seen := make(map[netip.AddrPort]struct{}, 2*len(all.Groups))
	var degraded []ir.EndpointGroup
	for i := range all.Groups {
		g := &all.Groups[i]
		if g.Mesh == peers.Plain {
			continue
		}
		first, last := splitDegraded(g, seen)
		if len(first.Endpoints) > 0 {
			out.Groups = append(out.Groups, first)
		}
		if len(last.Endpoints) > 0 {
			degraded = append(degraded, last)
		}
	}
	if len(out.Groups) > 0 {
		for i := range degraded {
			degraded[i].Priority = 1
		}
	}
	out.Groups = append(out.Groups, degraded...)
	if host, some := bestHost(all.Groups); some && peers.Plain && len(out.Groups) == 0 {
		host.Weight, host.Health = 1, discovery.Healthy
		out.Groups = []ir.EndpointGroup{{Hosts: []ir.Host{host}}}
	}
	return out
}

// splitDegraded takes a group apart and leaves out the addresses that were seen already.
func splitDegraded(g *ir.EndpointGroup, seen map[netip.AddrPort]struct{}) (first, last ir.EndpointGroup) {
	first = ir.EndpointGroup{Locality: g.Locality, Mesh: g.Mesh}
	last = first
	for _, e := range g.Endpoints {
		if !fresh(seen, e.Address) {
			continue
		}
		e.Additional = slices.DeleteFunc(slices.Clone(e.Additional), func(a netip.AddrPort) bool { return !fresh(seen, a) })
		if e.Health == discovery.Degraded {
			e.Health = discovery.Healthy
			last.Endpoints = append(last.Endpoints, e)
			continue
		}
		first.Endpoints = append(first.Endpoints, e)
	}
	return first, last
}

// fresh notes an address and reports whether it was not seen before.
func fresh(seen map[netip.AddrPort]struct{}, a netip.AddrPort) bool {
	if _, ok := seen[a]; ok {
		return false
	}
	seen[a] = struct{}{}
	return true
}

// proxylessPorts are what a gRPC server without a proxy may bind for the ports to which services lead: an address of
// the workload, or all of either family. A server takes mesh mTLS or plain text, not
// both, so that it serves mesh mTLS unless that is disabled.
func proxylessPorts(in InboundInput, ports []TargetPort) []ir.InboundPort {
	binds := append(slices.Clone(in.Workload.Addresses), netip.IPv4Unspecified(), netip.IPv6Unspecified())
	var out []ir.InboundPort
	for _, p := range ports {
		mode := ModeOf(in.Mesh, in.Peer, p.Port)
		if mode == ir.Permissive {
			mode = ir.Strict
		}
		for _, address := range binds {
			out = append(out, ir.InboundPort{Listen: address, Port: p.Port, Protocol: p.Protocol, Mode: mode})
		}
	}
	return sortPorts(out)
}

// notGRPC warns of services that lead to a program without a proxy and do not declare that it speaks gRPC: proxies
// would not offer it HTTP/2.
func notGRPC(in InboundInput) []discovery.Problem {
	var problems []discovery.Problem
	for _, p := range in.Ports {
		if p.Protocol == discovery.GRPC || p.Protocol == discovery.HTTP2 {
			continue
		}
		problems = append(problems, discovery.Problem{
			Object: discovery.ObjectID{Kind: "Service", Namespace: p.Service.Namespace, Name: p.Service.Name},
			Field:  "spec.ports", Reason: "NotGRPC", Warning: true,
			Message: fmt.Sprintf("target port %d of workload %s is served by gRPC without a proxy, and is %s here: "+
				"declare appProtocol grpc, or proxies cannot reach it", p.Port, in.Workload.ID, p.Protocol),
		})
	}
	slices.SortFunc(problems, func(a, b discovery.Problem) int {
		return cmp.Or(a.Object.Compare(b.Object), cmp.Compare(a.Message, b.Message))
	})
	return slices.Compact(problems)
}

// notListening warns of a rule whose listeners nobody binds, because the workload has no proxy.
func notListening(in InboundInput) []discovery.Problem {
	if in.Proxy == nil || !in.Proxy.Explicit {
		return nil
	}
	return []discovery.Problem{{
		Object: in.Proxy.Object, Field: "spec", Reason: "NotListening", Warning: true,
		Message: fmt.Sprintf("workload %s has no proxy that could bind listeners: only the services of spec.egress count for it", in.Workload.ID),
	}}
}
