package translate

import (
	"math"
	"net/netip"
	"strconv"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"

	"outrigger.dev/outrigger/policy/ir"
	"outrigger.dev/outrigger/xds/cache"
)

// Inbound returns everything that is served on behalf of a workload: the clusters of its application's ports, the
// listeners and their routes.
func Inbound(in *ir.Inbound) []Resource {
	if in.Proxyless {
		return grpcServers(in)
	}
	if in.Explicit {
		return explicitInbound(in)
	}
	return capturedInbound(in)
}

// explicitInbound gives each address that the proxy binds a listener of its own. Ports with several addresses share a cluster.
func explicitInbound(in *ir.Inbound) []Resource {
	var out []Resource
	for i, p := range in.Ports {
		if i == 0 || in.Ports[i-1].Port != p.Port {
			out = append(out, applicationCluster(inboundName(p.Port), p.Target))
		}
		out = append(out, boundPort(in, p)...)
	}
	return out
}

func boundPort(in *ir.Inbound, p ir.InboundPort) []Resource {
	address := netip.AddrPortFrom(p.Listen, p.Port)
	name, cluster := ir.IngressName(address), inboundName(p.Port)
	port := inboundPort{inbound: in, cluster: cluster, routes: name}
	l := &listenerv3.Listener{
		Name:             name,
		StatPrefix:       string(inbound),
		Address:          socketAddress(address),
		TrafficDirection: corev3.TrafficDirection_INBOUND,
		FilterChains:     port.chains(p.Protocol, p.Mode),
	}
	tls, http, wait := inspects(p.Protocol, p.Mode)
	if tls {
		l.ListenerFilters = append(l.ListenerFilters, tlsInspector())
	}
	if http {
		l.ListenerFilters = append(l.ListenerFilters, httpInspector())
	}
	wait.set(l)
	named := port.refs(p.Protocol, p.Mode)
	out := []Resource{{Type: cache.Listener, Name: name, Message: l, Refs: refs(named...)}}
	if understandsHTTP(p.Protocol) {
		out = append(out, inboundRoutes(name, cluster, in))
	}
	return out
}

func inboundRoutes(name, cluster string, in *ir.Inbound) Resource {
	return routes(name, cluster, routeAction(cluster, in.IdleTimeout))
}

// inboundName is the name of the cluster that leads to the application's port.
func inboundName(port uint16) string { return "inbound|" + strconv.Itoa(int(port)) }

// applicationCluster leads to the application on a known address.
func applicationCluster(name string, target netip.AddrPort) Resource {
	return Resource{Type: cache.Cluster, Name: name, Message: &clusterv3.Cluster{
		Name:                 name,
		ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC},
		LoadAssignment: &endpointv3.ClusterLoadAssignment{
			ClusterName: name,
			Endpoints: []*endpointv3.LocalityLbEndpoints{{LbEndpoints: []*endpointv3.LbEndpoint{
				lbEndpoint(&ir.Endpoint{Address: target}),
			}}},
		},
		CircuitBreakers:               unlimited(math.MaxUint32),
		TypedExtensionProtocolOptions: applicationHTTP(),
	}}
}
