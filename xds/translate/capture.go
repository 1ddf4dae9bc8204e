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

	// passthrough leads to wherever a connection was going; refused leads nowhere.
	passthrough = "passthrough"
	refused     = "refused"

	// The ports that a proxy keeps for itself. A connection to one that were passed on would come back for ever.
	ownPortsFirst, ownPortsLast = 15000, 15099
)

// Capture returns what a capturing proxy has once: the listener to which outbound connections are redirected, which hands
// them to the listener of their address, and the cluster for those whose address has none.
func Capture(c ir.Capture) []Resource {
	cluster := passthroughCluster()
	if c.Unknown == ir.Deny {
		cluster = refusedCluster()
	}
	rest := tcpChain{direction: outbound, cluster: cluster.GetName()}
	l := &listenerv3.Listener{
		Name:             outboundListener,
		StatPrefix:       string(outbound),
		Address:          anyAddress(outboundCapture),
		UseOriginalDst:   yes(),
		TrafficDirection: corev3.TrafficDirection_OUTBOUND,
		FilterChains:     ownPorts(),
		DefaultFilterChain: &listenerv3.FilterChain{
			Name: cluster.GetName(), Filters: []*listenerv3.Filter{rest.filter()},
		},
	}
	return []Resource{
		{Type: cache.Listener, Name: l.GetName(), Message: l, Refs: refs(clusterRef(cluster.GetName()))},
		{Type: cache.Cluster, Name: cluster.GetName(), Message: cluster},
	}
}

func passthroughCluster() *clusterv3.Cluster {
	c := originalDestination(passthrough)
	c.CircuitBreakers = unlimited(math.MaxUint32)
	return c
}

func refusedCluster() *clusterv3.Cluster {
	return &clusterv3.Cluster{
		Name: refused, ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC},
	}
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
