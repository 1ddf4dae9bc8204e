package translate

import (
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	dnslookupv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/clusters/common/dns/v3"
	dnsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/clusters/dns/v3"
	caresv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/network/dns_resolver/cares/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"outrigger.dev/outrigger/policy/ir"
)

// resolver leaves out the families of addresses that a proxy has none of itself, and so could not reach. It asks a name server
// twice, for 2 and 4 s, and not four times for more than a minute: until it gives up a new cluster is not warm, and Envoy takes
// no other new one meanwhile.
var resolver = extension("envoy.network.dns_resolver.cares", &caresv3.CaresDnsResolverConfig{
	FilterUnroutableFamilies: true, QueryTimeoutSeconds: wrapperspb.UInt64(2), QueryTries: number(2),
})

// resolveNames makes a cluster hold its endpoints, and resolve their names: every address of every name is an
// endpoint of its own. A name with addresses of both families counts by those of IPv4, so that no instance counts twice; one
// with only IPv6, or on a proxy that has no IPv4, by those of IPv6.
func resolveNames(c *clusterv3.Cluster, dns *ir.DNS) {
	c.ClusterDiscoveryType = &clusterv3.Cluster_ClusterType{ClusterType: &clusterv3.Cluster_CustomClusterType{
		Name: "envoy.clusters.dns",
		TypedConfig: pack(&dnsv3.DnsCluster{
			DnsRefreshRate: duration(dns.Refresh),
			DnsFailureRefreshRate: &dnsv3.DnsCluster_RefreshRate{
				BaseInterval: duration(dns.Retry), MaxInterval: duration(dns.RetryMax),
			},
			RespectDnsTtl:          true,
			DnsLookupFamily:        dnslookupv3.DnsLookupFamily_V4_PREFERRED,
			TypedDnsResolverConfig: resolver,
		}),
	}}
	c.EdsClusterConfig = nil
	c.LoadAssignment = Assignment(&dns.Endpoints)
}

func lbHost(h *ir.Host) *endpointv3.LbEndpoint {
	out := &endpointv3.LbEndpoint{
		HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{Address: namedAddress(h.Name, h.Port)}},
		HealthStatus:   healthStatus(h.Health),
	}
	if h.Weight > 1 {
		out.LoadBalancingWeight = number(h.Weight)
	}
	return out
}

func namedAddress(name string, port uint16) *corev3.Address {
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address: name, PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: uint32(port)},
	}}}
}
