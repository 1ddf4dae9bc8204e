package bootstrap

import (
	"slices"
	"time"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	mutationrulesv3 "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	commondnsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/clusters/common/dns/v3"
	dnsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/clusters/dns/v3"
	credentialinjectorv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/credential_injector/v3"
	headermutationv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"
	upstreamcodecv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/upstream_codec/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	genericv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/http/injected_credentials/generic/v3"
	httpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
)

// xdsCluster is the name of the cluster that is the control plane.
const xdsCluster = "xds"

// dynamicResources is delta ADS. Start-up waits for the first clusters and
// listeners, however long that takes.
func dynamicResources() *bootstrapv3.Bootstrap_DynamicResources {
	return &bootstrapv3.Bootstrap_DynamicResources{
		AdsConfig: &corev3.ApiConfigSource{
			ApiType:                   corev3.ApiConfigSource_DELTA_GRPC,
			TransportApiVersion:       corev3.ApiVersion_V3,
			SetNodeOnFirstMessageOnly: true,
			GrpcServices: []*corev3.GrpcService{{
				TargetSpecifier: &corev3.GrpcService_EnvoyGrpc_{EnvoyGrpc: &corev3.GrpcService_EnvoyGrpc{
					ClusterName: xdsCluster,
					Authority:   ServerName,
					RetryPolicy: reconnect(),
				}},
			}},
		},
		CdsConfig: fromADS(),
		LdsConfig: fromADS(),
	}
}

// reconnect spreads the proxies that lost a server over time (Envoy jitters
// both values), and has all of them back within ten seconds of its return.
func reconnect() *corev3.RetryPolicy {
	return &corev3.RetryPolicy{RetryBackOff: &corev3.BackoffStrategy{
		BaseInterval: durationpb.New(500 * time.Millisecond),
		MaxInterval:  seconds(10),
	}}
}

func fromADS() *corev3.ConfigSource {
	return &corev3.ConfigSource{
		ConfigSourceSpecifier: &corev3.ConfigSource_Ads{Ads: &corev3.AggregatedConfigSource{}},
		ResourceApiVersion:    corev3.ApiVersion_V3,
		InitialFetchTimeout:   seconds(0),
	}
}

// controlPlane is HTTP/2 over TLS 1.3, with pings that notice
// a dead peer, and the token in every request. Envoy goes round the servers, so
// that the attempt after a failed one is made at another of them.
func (p plan) controlPlane() *clusterv3.Cluster {
	cluster := staticCluster(xdsCluster, p.servers...)
	cluster.ConnectTimeout = seconds(2)
	cluster.TransportSocket = p.serverTLS()
	cluster.TypedExtensionProtocolOptions = map[string]*anypb.Any{
		"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": pack(p.xdsProtocol()),
	}
	if slices.ContainsFunc(p.servers, func(a address) bool { return !a.ip.IsValid() }) {
		cluster.ClusterDiscoveryType = byName()
	}
	return cluster
}

// byName makes an endpoint of every address that DNS has for the server, IPv4
// and IPv6 (strict DNS), and asks again when DNS says that its answer is old.
func byName() *clusterv3.Cluster_ClusterType {
	return &clusterv3.Cluster_ClusterType{ClusterType: &clusterv3.Cluster_CustomClusterType{
		Name: "envoy.clusters.dns",
		TypedConfig: pack(&dnsv3.DnsCluster{
			DnsLookupFamily: commondnsv3.DnsLookupFamily_ALL,
			RespectDnsTtl:   true,
		}),
	}}
}

func staticCluster(name string, at ...address) *clusterv3.Cluster {
	endpoints := make([]*endpointv3.LbEndpoint, len(at))
	for i, a := range at {
		endpoints[i] = &endpointv3.LbEndpoint{
			HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{Address: a.proto()}},
		}
	}
	return &clusterv3.Cluster{
		Name:                 name,
		ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC},
		LoadAssignment: &endpointv3.ClusterLoadAssignment{
			ClusterName: name,
			Endpoints:   []*endpointv3.LocalityLbEndpoints{{LbEndpoints: endpoints}},
		},
	}
}

func (p plan) xdsProtocol() *httpv3.HttpProtocolOptions {
	return &httpv3.HttpProtocolOptions{
		UpstreamProtocolOptions: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_{ExplicitHttpConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig{
			ProtocolConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_Http2ProtocolOptions{Http2ProtocolOptions: &corev3.Http2ProtocolOptions{
				ConnectionKeepalive: &corev3.KeepaliveSettings{Interval: seconds(30), Timeout: seconds(10)},
			}},
		}},
		HttpFilters: []*hcmv3.HttpFilter{
			httpFilter("envoy.filters.http.credential_injector", &credentialinjectorv3.CredentialInjector{
				Overwrite: true,
				Credential: extension("envoy.http.injected_credentials.generic", &genericv3.Generic{
					Credential: p.fileSecret(tokenSecret, tokenSDSFile),
				}),
			}),
			httpFilter("envoy.filters.http.header_mutation", bearer()),
			httpFilter("envoy.filters.http.upstream_codec", &upstreamcodecv3.UpstreamCodec{}),
		},
	}
}

// bearer puts the word before the token. The credential has a field for it, with which Envoy 1.36 refuses to start.
func bearer() *headermutationv3.HeaderMutation {
	return &headermutationv3.HeaderMutation{Mutations: &headermutationv3.Mutations{RequestMutations: []*mutationrulesv3.HeaderMutation{{
		Action: &mutationrulesv3.HeaderMutation_Append{Append: &corev3.HeaderValueOption{
			Header:       &corev3.HeaderValue{Key: "authorization", Value: "Bearer %REQ(authorization)%"},
			AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS,
		}},
	}}}}
}

func httpFilter(name string, config proto.Message) *hcmv3.HttpFilter {
	return &hcmv3.HttpFilter{Name: name, ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: pack(config)}}
}
