package translate

import (
	"net/netip"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy/ir"
	"outrigger.dev/outrigger/xds/cache"
)

const (
	inboundListener = "inbound"
	inboundCapture  = 15006
	// inboundAny leads to the ports of the application of which nothing is known.
	inboundAny = "inbound|any"

	// loopbackConnections is below the number of local ports that 127.0.0.6 has for one port of the application.
	loopbackConnections = 25_000
)

// The proxy's own connections to its application come from these, so that what redirects them can tell.
var (
	loopSourceV4 = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 6}), 0)
	loopSourceV6 = netip.AddrPortFrom(netip.AddrFrom16([16]byte{15: 6}), 0)
)

// capturedInbound serves all ports on the one listener to which connections are redirected.
func capturedInbound(in *ir.Inbound) []Resource {
	ports := capturedPorts(in)
	l := &listenerv3.Listener{
		Name:             inboundListener,
		StatPrefix:       string(inbound),
		Address:          anyAddress(inboundCapture),
		TrafficDirection: corev3.TrafficDirection_INBOUND,
		ListenerFilters:  []*listenerv3.ListenerFilter{originalDst()},
		FilterChains:     ownPorts(),
	}
	inspect(l, ports)
	var named []cache.Ref
	var others []Resource
	for _, p := range ports {
		port := inboundPort{inbound: in, cluster: p.name, routes: p.name, prefix: p.name + " ", match: p.Port}
		l.FilterChains = append(l.FilterChains, port.chains(p.Protocol, p.Mode)...)
		named = append(named, port.refs(p.Protocol, p.Mode)...)
		others = append(others, originalCluster(p.name))
		if understandsHTTP(p.Protocol) {
			others = append(others, inboundRoutes(p.name, p.name, in))
		}
	}
	return append([]Resource{{Type: cache.Listener, Name: inboundListener, Message: l, Refs: refs(named...)}}, others...)
}

// capturedPort is a port with the name of its cluster and routes.
type capturedPort struct {
	ir.InboundPort
	name string
}

// capturedPorts are those that the proxy does not use itself, and port 0, which stands for all others.
func capturedPorts(in *ir.Inbound) []capturedPort {
	var out []capturedPort
	for _, p := range in.Ports {
		if p.Port < ownPortsFirst || p.Port > ownPortsLast {
			out = append(out, capturedPort{InboundPort: p, name: inboundName(p.Port)})
		}
	}
	rest := ir.InboundPort{Protocol: discovery.Detect, Mode: in.DefaultMode}
	return append(out, capturedPort{InboundPort: rest, name: inboundAny})
}

// inspect adds the inspectors, each disabled for the ports that it must not look at.
func inspect(l *listenerv3.Listener, ports []capturedPort) {
	var notTLS, notHTTP []*listenerv3.ListenerFilterChainMatchPredicate
	var wait waiting
	var anyTLS, anyHTTP bool
	for _, p := range ports {
		tls, http, w := inspects(p.Protocol, p.Mode)
		wait, anyTLS, anyHTTP = max(wait, w), anyTLS || tls, anyHTTP || http
		if !tls && p.Port != 0 {
			notTLS = append(notTLS, onPort(p.Port))
		}
		if !http && p.Port != 0 {
			notHTTP = append(notHTTP, onPort(p.Port))
		}
	}
	if anyTLS {
		l.ListenerFilters = append(l.ListenerFilters, except(tlsInspector(), notTLS))
	}
	if anyHTTP {
		l.ListenerFilters = append(l.ListenerFilters, except(httpInspector(), notHTTP))
	}
	wait.set(l)
}

func onPort(port uint16) *listenerv3.ListenerFilterChainMatchPredicate {
	return &listenerv3.ListenerFilterChainMatchPredicate{
		Rule: &listenerv3.ListenerFilterChainMatchPredicate_DestinationPortRange{
			DestinationPortRange: &typev3.Int32Range{Start: int32(port), End: int32(port) + 1},
		},
	}
}

// except disables a listener filter where one of the rules applies.
func except(f *listenerv3.ListenerFilter, rules []*listenerv3.ListenerFilterChainMatchPredicate) *listenerv3.ListenerFilter {
	switch len(rules) {
	case 0:
	case 1:
		f.FilterDisabled = rules[0]
	default:
		f.FilterDisabled = &listenerv3.ListenerFilterChainMatchPredicate{
			Rule: &listenerv3.ListenerFilterChainMatchPredicate_OrMatch{
				OrMatch: &listenerv3.ListenerFilterChainMatchPredicate_MatchSet{Rules: rules},
			},
		}
	}
	return f
}

// originalCluster leads to where the captured connection was going, from an address that is not captured again.
func originalCluster(name string) Resource {
	c := originalDestination(name)
	c.CircuitBreakers = unlimited(loopbackConnections)
	c.TypedExtensionProtocolOptions = applicationHTTP()
	c.UpstreamBindConfig = &corev3.BindConfig{
		SourceAddress:        socket(loopSourceV4),
		ExtraSourceAddresses: []*corev3.ExtraSourceAddress{{Address: socket(loopSourceV6)}},
	}
	return Resource{Type: cache.Cluster, Name: name, Message: c}
}

func originalDestination(name string) *clusterv3.Cluster {
	return &clusterv3.Cluster{
		Name:                 name,
		ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_ORIGINAL_DST},
		LbPolicy:             clusterv3.Cluster_CLUSTER_PROVIDED,
	}
}
