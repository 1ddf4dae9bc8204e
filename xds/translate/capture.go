package translate

import (
	"math"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"outrigger.dev/outrigger/policy/ir"
	"outrigger.dev/outrigger/xds/cache"
)

const (
	outboundListener = "outbound"
	outboundCapture  = 15001

	// unknown leads to wherever a connection was going, or nowhere. It has one name, so that the listener stays
	// as it is when the mesh changes its mind.
	unknown = "unknown"

	// The ports that a proxy keeps for itself. A connection to one that were passed on would come back for ever.
	ownPortsFirst, ownPortsLast = 15000, 15099
)

// Capture returns what a capturing proxy has once: the listener to which outbound connections are redirected, which hands
// them to the listener of their address, and the cluster for those whose address has none.
func Capture(c ir.Capture) []Resource {
	rest := tcpChain{direction: outbound, cluster: unknown}
	l := &listenerv3.Listener{
		Name:             outboundListener,
		StatPrefix:       string(outbound),
		Address:          anyAddress(outboundCapture),
		UseOriginalDst:   yes(),
		TrafficDirection: corev3.TrafficDirection_OUTBOUND,
		FilterChains:     ownPorts(),
		DefaultFilterChain: &listenerv3.FilterChain{
			Name: unknown, Filters: []*listenerv3.Filter{rest.filter()},
		},
	}
	return []Resource{
		{Type: cache.Listener, Name: l.GetName(), Message: l, Refs: refs(clusterRef(unknown))},
		{Type: cache.Cluster, Name: unknown, Message: unknownCluster(c.Unknown)},
	}
}

func unknownCluster(u ir.UnknownDestinations) *clusterv3.Cluster {
	if u == ir.Deny {
		return &clusterv3.Cluster{
			Name: unknown, ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC},
		}
	}
	c := originalDestination(unknown)
	c.CircuitBreakers = unlimited(math.MaxUint32)
	return c
}

// ownPorts are chains without filters, which close a connection at once. A match holds one port, so that there is one chain for each.
func ownPorts() []*listenerv3.FilterChain {
	var out []*listenerv3.FilterChain
	for port := uint32(ownPortsFirst); port <= ownPortsLast; port++ {
		out = append(out, &listenerv3.FilterChain{
			FilterChainMatch: &listenerv3.FilterChainMatch{DestinationPort: wrapperspb.UInt32(port)},
		})
	}
	return out
}
