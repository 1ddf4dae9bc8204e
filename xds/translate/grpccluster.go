package translate

import (
	"math"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"

	"outrigger.dev/outrigger/policy/ir"
	"outrigger.dev/outrigger/xds/cache"
)

// GRPCCluster returns the cluster of an upstream for gRPC programs. Its peers are of one kind: gRPC refuses
// transport socket matches. With DNS it has one endpoint, a name: gRPC knows no other form.
func GRPCCluster(u *ir.Upstream) Resource {
	c := &clusterv3.Cluster{
		Name:                 u.Name(),
		ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_EDS},
		EdsClusterConfig:     &clusterv3.Cluster_EdsClusterConfig{EdsConfig: ads()},
		ConnectTimeout:       duration(u.ConnectTimeout),
		// Without a limit of ours, gRPC's is 1,024 requests at a time.
		CircuitBreakers: unlimited(math.MaxUint32),
	}
	if !u.Peers.Plain {
		c.TransportSocket = grpcClientTLS(u.Peers.Identities)
	}
	if u.DNS != nil {
		c.ClusterDiscoveryType = &clusterv3.Cluster_Type{Type: clusterv3.Cluster_LOGICAL_DNS}
		c.EdsClusterConfig = nil
		c.LoadAssignment = Assignment(&u.DNS.Endpoints)
		return Resource{Type: cache.Cluster, Name: c.GetName(), Message: c}
	}
	return Resource{
		Type: cache.Cluster, Name: c.GetName(), Message: c,
		Refs: refs(cache.Ref{Type: cache.Endpoints, Name: c.GetName()}),
	}
}

// GRPCEndpoints returns the assignment of an upstream for gRPC programs, which refuse a group without a locality and
// ignore one without a weight: that is the sum of its endpoints' weights.
func GRPCEndpoints(e *ir.Endpoints) Resource {
	out := &endpointv3.ClusterLoadAssignment{ClusterName: e.Name()}
	for i := range e.Groups {
		out.Endpoints = append(out.Endpoints, grpcGroup(&e.Groups[i]))
	}
	return Resource{Type: cache.Endpoints, Name: e.Name(), Message: out}
}

func grpcGroup(g *ir.EndpointGroup) *endpointv3.LocalityLbEndpoints {
	out := localityEndpoints(g)
	out.Metadata = nil
	if out.Locality = locality(g.Locality); out.Locality == nil {
		out.Locality = nowhere
	}
	var weight uint32
	for i := range g.Endpoints {
		weight += max(g.Endpoints[i].Weight, 1)
	}
	out.LoadBalancingWeight = number(weight)
	return out
}
