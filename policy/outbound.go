package policy

import (
	"fmt"
	"net/netip"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy/ir"
)

// ResolveVIPs returns what leads to a service for proxies that capture: one per virtual address and port,
// in the order of the service.
func ResolveVIPs(svc *discovery.Service) []ir.Outbound {
	out := make([]ir.Outbound, 0, len(svc.VIPs)*len(svc.Ports))
	for _, vip := range svc.VIPs {
		for _, p := range svc.Ports {
			address := netip.AddrPortFrom(vip, p.Port)
			out = append(out, outbound(ir.Outbound{
				Name: ir.VIPName(address), Address: address, Service: svc.ID, Port: p.Port, Protocol: p.Protocol,
			}))
		}
	}
	return out
}

// ResolveEgress returns the local addresses that the rule binds, in its order; a nil rule binds none.
// A listener whose service or port is not there is made all the same, with a warning: callers
// get an answer (503) instead of a refused connection, and it heals when the service appears.
func ResolveEgress(rule *ProxyRule, lookup func(discovery.ServiceID) *discovery.Service) (out []ir.Outbound, problems []discovery.Problem) {
	if rule == nil || !rule.Explicit {
		return nil, nil
	}
	for _, e := range rule.Egress {
		protocol, missing := egressProtocol(e, lookup(e.Service))
		if missing != "" {
			problems = append(problems, discovery.Problem{
				Object: rule.Object, Field: fmt.Sprintf("spec.egress.listeners[%d]", e.Index),
				Reason: "NotFound", Message: missing, Warning: true,
			})
		}
		out = append(out, outbound(ir.Outbound{
			Name: ir.ExplicitName(e.Address), Address: e.Address, Bound: true,
			Service: e.Service, Port: e.Port, Protocol: protocol,
		}))
	}
	return out, problems
}

// egressProtocol returns what is spoken on a listener, and what is missing, if anything. Without the
// service, each connection is looked at, so that those that carry HTTP get an answer.
func egressProtocol(e EgressListener, svc *discovery.Service) (protocol discovery.Protocol, missing string) {
	if svc == nil {
		return discovery.Detect, fmt.Sprintf("service %s does not exist: until it does, callers of %s get 503", e.Service, e.Address)
	}
	port, ok := svc.Port(e.Port)
	if !ok {
		return discovery.Detect, fmt.Sprintf("service %s has no port %d: until it does, callers of %s get 503", e.Service, e.Port, e.Address)
	}
	return port.Protocol, ""
}

// outbound fills in the defaults.
func outbound(o ir.Outbound) ir.Outbound {
	o.IdleTimeout = IdleTimeout
	o.RequestRetries = RequestRetries
	return o
}
