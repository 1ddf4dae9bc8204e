package policy

import (
	"fmt"
	"net/netip"
	"slices"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy/ir"
)

// explicitPorts are the ingress listeners of the proxy rule, each on its own address or on all of the workload's,
// but for those that cannot be bound there.
func explicitPorts(in InboundInput, ports []TargetPort) (out []ir.InboundPort, problems []discovery.Problem) {
	listeners, problems := oneTargetPerPort(in.Proxy)
	for _, l := range listeners {
		for _, address := range listenAddresses(l, in.Workload) {
			if clash := bindClash(in.Proxy, listeners, l, address); clash != nil {
				problems = append(problems, *clash)
				continue
			}
			out = append(out, ir.InboundPort{
				Listen: address, Port: l.Port, Target: l.Target,
				Protocol: ingressProtocol(l, ports), Mode: ModeOf(in.Mesh, in.Peer, l.Port),
			})
		}
	}
	return sortPorts(out), append(problems, notServed(in)...)
}

// oneTargetPerPort leaves out the listeners whose port leads to another target already.
func oneTargetPerPort(rule *ProxyRule) (kept []IngressListener, problems []discovery.Problem) {
	targets := map[uint16]IngressListener{}
	for _, l := range rule.Ingress {
		first, ok := targets[l.Port]
		if ok && first.Target != l.Target {
			problems = append(problems, *leftOut(rule, l, "Duplicate", fmt.Sprintf(
				"port %d leads to %s already, by spec.ingress.listeners[%d]: one port has one target; the listener is left out",
				l.Port, first.Target, first.Index)))
			continue
		}
		if !ok {
			targets[l.Port] = l
		}
		kept = append(kept, l)
	}
	return kept, problems
}

// bindClash says why a listener cannot bind an address, or nil. Only when the addresses of the workload are known can
// all of this be seen.
func bindClash(rule *ProxyRule, listeners []IngressListener, l IngressListener, address netip.Addr) *discovery.Problem {
	bind := netip.AddrPortFrom(address, l.Port)
	if bind == l.Target {
		return leftOut(rule, l, "Invalid", fmt.Sprintf(
			"its target %s is where it would bind, and the proxy would call itself: let the application listen on another address or port; "+
				"the listener is left out there", bind))
	}
	for _, e := range rule.Egress {
		if e.Address == bind {
			return leftOut(rule, l, "Duplicate", fmt.Sprintf(
				"%s is bound by spec.egress.listeners[%d]: only one of them can bind there; the listener is left out there", bind, e.Index))
		}
	}
	for _, other := range listeners {
		if other.Target == bind {
			return leftOut(rule, l, "Duplicate", fmt.Sprintf(
				"%s is the target of spec.ingress.listeners[%d]: only the application can bind there; the listener is left out there",
				bind, other.Index))
		}
	}
	return nil
}

// leftOut is a problem of one listener, whose message ends with where it is left out.
func leftOut(rule *ProxyRule, l IngressListener, reason, message string) *discovery.Problem {
	return &discovery.Problem{
		Object: rule.Object, Field: fmt.Sprintf("spec.ingress.listeners[%d]", l.Index), Reason: reason,
		Message: message + ", the rest of the object stays in use",
	}
}

// notServed warns of the ports to which services lead and for which the proxy has no listener, unless mTLS is
// disabled there: that says that it is meant.
func notServed(in InboundInput) []discovery.Problem {
	var problems []discovery.Problem
	for _, p := range in.Ports {
		if in.Proxy.Serves(p.Port) || ModeOf(in.Mesh, in.Peer, p.Port) == ir.Disabled {
			continue
		}
		problems = append(problems, discovery.Problem{
			Object: in.Proxy.Object, Field: "spec.ingress.listeners", Reason: "NotServed", Warning: true,
			Message: fmt.Sprintf("service %s leads to port %d, for which the proxy has no listener: its clients speak plain text there; "+
				"add a listener, or disable mTLS for the port", p.Service, p.Port),
		})
	}
	return slices.Compact(problems)
}

func listenAddresses(l IngressListener, w *discovery.Workload) []netip.Addr {
	if l.Address.IsValid() {
		return []netip.Addr{l.Address}
	}
	return w.Addresses
}

func ingressProtocol(l IngressListener, ports []TargetPort) discovery.Protocol {
	if l.Declared {
		return l.Protocol
	}
	p, _ := findPort(ports, l.Port)
	return p.Protocol
}
