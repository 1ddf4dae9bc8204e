package ir

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"outrigger.dev/outrigger/discovery"
)

// Outbound is one address on which a service port is reached; it becomes a
// listener and, where requests can be told apart, the routes of the same name.
type Outbound struct {
	// Name is "<vip>_<port>" for a virtual address and "explicit_<address>_<port>" for a local one.
	Name    string
	Address netip.AddrPort
	// Bound says that the proxy itself binds the address (explicit mode);
	// otherwise connections come captured.
	Bound    bool
	Service  discovery.ServiceID
	Port     uint16
	Protocol discovery.Protocol
	// IdleTimeout ends a request on whose stream nothing moves; RequestRetries is how often a
	// request is tried again after its connection failed before anything was sent.
	IdleTimeout    time.Duration
	RequestRetries uint32
}

// VIPName returns the name of the listener and routes of a captured virtual address.
func VIPName(address netip.AddrPort) string { return listenerName("", address) }

// ExplicitName returns the name of the listener and routes of a bound local address.
func ExplicitName(address netip.AddrPort) string { return listenerName("explicit_", address) }

// IngressName returns the name of the listener and routes of an explicit inbound address.
func IngressName(address netip.AddrPort) string { return listenerName("inbound_", address) }

func listenerName(prefix string, address netip.AddrPort) string {
	return fmt.Sprintf("%s%s_%d", prefix, address.Addr(), address.Port())
}

// Capture is what a capturing proxy has once: the listener that takes redirected connections.
type Capture struct {
	Unknown UnknownDestinations
}

// Inbound is everything that is served on behalf of one class of workloads.
type Inbound struct {
	// TrustDomain is the one whose identities may connect by mesh mTLS.
	TrustDomain string
	// Explicit proxies bind each address of Ports themselves; others capture.
	Explicit bool
	// Proxyless says that the workload is a gRPC server which binds one of the addresses of each port itself, and
	// takes mesh mTLS or, where that is disabled, plain text there. It excludes Explicit.
	Proxyless bool
	// DefaultMode is for captured ports without an entry in Ports.
	DefaultMode MTLSMode
	// Ports are sorted by Port, then Listen. One Port has one Target.
	Ports []InboundPort

	// IdleTimeout ends a request on whose stream nothing moves.
	IdleTimeout time.Duration
	// MaxConnectionDuration bounds connections that were made by mesh mTLS, and all that carry requests.
	MaxConnectionDuration time.Duration
}

// InboundPort is one port of the application.
type InboundPort struct {
	// Listen is the address that the proxy binds in explicit mode, or that a proxyless server may bind; zero when captured.
	Listen netip.Addr
	// Port is where clients reach the workload.
	Port uint16
	// Target is the application's own address in explicit mode; zero when captured, where it is the original
	// destination, and for proxyless servers.
	Target   netip.AddrPort
	Protocol discovery.Protocol
	Mode     MTLSMode
}

// Equal reports whether both are the same.
func (i *Inbound) Equal(other *Inbound) bool {
	if i == nil || other == nil {
		return i == other
	}
	return i.TrustDomain == other.TrustDomain && i.Explicit == other.Explicit &&
		i.Proxyless == other.Proxyless && i.DefaultMode == other.DefaultMode &&
		i.IdleTimeout == other.IdleTimeout && i.MaxConnectionDuration == other.MaxConnectionDuration &&
		slices.Equal(i.Ports, other.Ports)
}

// Key returns a text that is equal exactly for equal values: what a workload's class is made from.
func (i *Inbound) Key() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %t %t %s %s %s", i.TrustDomain, i.Explicit, i.Proxyless, i.DefaultMode, i.IdleTimeout, i.MaxConnectionDuration)
	for _, p := range i.Ports {
		fmt.Fprintf(&b, " %s/%d>%s:%s:%s", p.Listen, p.Port, p.Target, p.Protocol, p.Mode)
	}
	return b.String()
}
