package policy

import (
	"net/netip"
	"slices"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy/ir"
)

// Update carries compiled rules as typed upserts by the object that they come
// from; a nil value says that the rule is gone.
type Update struct {
	Mesh    map[discovery.ObjectID]*MeshRule
	Proxies map[discovery.ObjectID]*ProxyRule
	Peers   map[discovery.ObjectID]*PeerRule
}

// MeshRule holds what is true of the whole mesh. Where there are several, the
// first object by name counts and the others are problems.
type MeshRule struct {
	Object discovery.ObjectID
	// DefaultMode is the mTLS mode of every inbound port that no PeerRule selects.
	DefaultMode ir.MTLSMode
	// UnknownDestinations says what happens to captured connections to addresses that no service has.
	UnknownDestinations ir.UnknownDestinations
	// Consul are sources beside those that the control plane was started with, sorted by name.
	Consul []ConsulSource
	// Joins are in the order of the object; no service occurs twice.
	Joins []discovery.JoinRule
}

// Selector matches workloads of one namespace by labels.
type Selector struct {
	Namespace string
	// Labels all have to be there, sorted by key. None: every workload of the namespace.
	Labels []Label
}

// Label is one key and value.
type Label struct {
	Key   string
	Value string
}

// ProxyRule is a compiled ProxyConfig. Of several that select a workload, one with labels goes
// before one without, then the first object by name.
type ProxyRule struct {
	Object   discovery.ObjectID
	Selector Selector
	// Explicit says that the proxy binds the listeners below and captures nothing.
	Explicit bool
	// Egress are the local addresses on which services are reached (explicit mode).
	Egress []EgressListener
	// Ingress are the ports on which the proxy serves its application (explicit mode).
	Ingress []IngressListener
	// Scope is the declared scope. In explicit mode without one, the services of Egress are the scope.
	Scope Scope
}

// Serves reports whether sidecars with the rule, which may be nil, serve a port of their workload: capturing
// ones serve every port, explicit ones those of their ingress listeners. A listener that cannot be bound
// counts too: who declared it wants the port protected, and plain text must not come of a mistake.
func (r *ProxyRule) Serves(port uint16) bool {
	if r == nil || !r.Explicit {
		return true
	}
	return slices.ContainsFunc(r.Ingress, func(l IngressListener) bool { return l.Port == port })
}

// EgressListener binds a local address for one service port.
type EgressListener struct {
	// Index is the place in the object's own list, from 0, for the fields of problems.
	Index   int
	Address netip.AddrPort
	Service discovery.ServiceID
	Port    uint16
}

// IngressListener serves the application of a workload on a port.
type IngressListener struct {
	// Index is the place in the object's own list, from 0, for the fields of problems.
	Index int
	// Address is where it binds; the zero value means all addresses of the workload.
	Address netip.Addr
	Port    uint16
	// Target is the application's own address.
	Target netip.AddrPort
	// Protocol is what the object declares; Declared is false where it declares nothing, and then the
	// protocol of the service port that leads here counts.
	Protocol discovery.Protocol
	Declared bool
}

// Scope is a declared set of services. Without Declared everything is in scope.
type Scope struct {
	Declared bool
	// Services are sorted; Name "*" means every service of the namespace, Namespace "*" every namespace.
	Services []discovery.ServiceID
}

// PeerRule is the compiled peer part of an AuthenticationPolicy. Of several that select a workload,
// one with labels goes before one without, then the first object by name; they do not merge.
type PeerRule struct {
	Object   discovery.ObjectID
	Selector Selector
	// Mode is for all ports without an entry below.
	Mode ir.MTLSMode
	// Ports are sorted by port: the port at which the workload is reached.
	Ports []PortMode
}

// PortMode is the mode of one port.
type PortMode struct {
	Port uint16
	Mode ir.MTLSMode
}
