package policy

import (
	"fmt"
	"slices"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy/ir"
)

// TargetPort is a port of a workload to which a service leads.
type TargetPort struct {
	Port     uint16
	Protocol discovery.Protocol
	Service  discovery.ServiceID
}

// InboundInput is all that decides what is served on behalf of a workload.
type InboundInput struct {
	Workload *discovery.Workload
	// Proxy, Peer and Mesh are the rules that count for the workload; each may be nil.
	Proxy *ProxyRule
	Peer  *PeerRule
	Mesh  *MeshRule
	// Ports are sorted by port, then by service; several services may lead to one port.
	Ports       []TargetPort
	TrustDomain string
}

// ResolveInbound returns what is served on behalf of the workload, and what is wrong with it.
func ResolveInbound(in InboundInput) (*ir.Inbound, []discovery.Problem) {
	ports, problems := uniquePorts(in.Ports)
	out := &ir.Inbound{
		TrustDomain:           in.TrustDomain,
		IdleTimeout:           IdleTimeout,
		MaxConnectionDuration: InboundMaxConnectionDuration,
	}
	if in.Workload.Proxyless {
		out.Proxyless, out.Ports = true, proxylessPorts(in, ports)
		return out, append(append(problems, notGRPC(in)...), notListening(in)...)
	}
	if in.Proxy != nil && in.Proxy.Explicit {
		var more []discovery.Problem
		out.Explicit = true
		out.Ports, more = explicitPorts(in, ports)
		return out, append(problems, more...)
	}
	out.DefaultMode = defaultMode(in.Mesh)
	if in.Peer != nil {
		out.DefaultMode = in.Peer.Mode
	}
	out.Ports = capturedPorts(in, ports)
	return out, problems
}

// uniquePorts keeps one entry per port, that of the first service by id. A service that says something else of the
// port is a problem.
func uniquePorts(ports []TargetPort) (unique []TargetPort, problems []discovery.Problem) {
	for _, p := range ports {
		if len(unique) == 0 || unique[len(unique)-1].Port != p.Port {
			unique = append(unique, p)
			continue
		}
		if first := unique[len(unique)-1]; first.Protocol != p.Protocol {
			problems = append(problems, discovery.Problem{
				Object: discovery.ObjectID{Kind: "Service", Namespace: p.Service.Namespace, Name: p.Service.Name},
				Field:  "spec.ports", Reason: "ProtocolConflict", Warning: true,
				Message: fmt.Sprintf("target port %d is %s here and %s in service %s, which counts: declare the same protocol in both",
					p.Port, p.Protocol, first.Protocol, first.Service),
			})
		}
	}
	return unique, problems
}

// capturedPorts are those to which a service leads and those with a mode of their own.
func capturedPorts(in InboundInput, ports []TargetPort) []ir.InboundPort {
	out := make([]ir.InboundPort, 0, len(ports))
	for _, p := range ports {
		out = append(out, ir.InboundPort{Port: p.Port, Protocol: p.Protocol, Mode: ModeOf(in.Mesh, in.Peer, p.Port)})
	}
	if in.Peer != nil {
		for _, p := range in.Peer.Ports {
			if _, led := findPort(ports, p.Port); !led {
				out = append(out, ir.InboundPort{Port: p.Port, Mode: p.Mode})
			}
		}
	}
	return sortPorts(out)
}

func findPort(ports []TargetPort, number uint16) (TargetPort, bool) {
	i, ok := slices.BinarySearchFunc(ports, number, func(p TargetPort, n uint16) int { return int(p.Port) - int(n) })
	if !ok {
		return TargetPort{}, false
	}
	return ports[i], true
}

// sortPorts sorts by port, then address, and drops an address that is bound twice for one port.
func sortPorts(ports []ir.InboundPort) []ir.InboundPort {
	slices.SortStableFunc(ports, func(a, b ir.InboundPort) int {
		if a.Port != b.Port {
			return int(a.Port) - int(b.Port)
		}
		return a.Listen.Compare(b.Listen)
	})
	return slices.CompactFunc(ports, func(a, b ir.InboundPort) bool { return a.Port == b.Port && a.Listen == b.Listen })
}
