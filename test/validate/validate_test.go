package validate_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	tcpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"outrigger.dev/outrigger/test/validate"
)

// address is one of loopback.
func address(port uint32) *corev3.Address {
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address: "127.0.0.1", PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: port},
	}}}
}

// cluster gets its assignment by ADS.
func cluster(name string) *clusterv3.Cluster {
	return &clusterv3.Cluster{
		Name: name, ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_EDS},
		EdsClusterConfig: &clusterv3.Cluster_EdsClusterConfig{EdsConfig: &corev3.ConfigSource{
			ConfigSourceSpecifier: &corev3.ConfigSource_Ads{Ads: &corev3.AggregatedConfigSource{}}, ResourceApiVersion: corev3.ApiVersion_V3,
		}},
	}
}

func assignment(name string, port uint32) *endpointv3.ClusterLoadAssignment {
	return &endpointv3.ClusterLoadAssignment{ClusterName: name, Endpoints: []*endpointv3.LocalityLbEndpoints{{
		LbEndpoints: []*endpointv3.LbEndpoint{{
			HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{Address: address(port)}},
		}},
	}}}
}

// listener sends what it accepts to a cluster, by a filter that stands in an Any.
func listener(t *testing.T, proxy *tcpv3.TcpProxy) *listenerv3.Listener {
	t.Helper()
	config, err := anypb.New(proxy)
	if err != nil {
		t.Fatal(err)
	}
	return &listenerv3.Listener{
		Name: "in", Address: address(18_000),
		FilterChains: []*listenerv3.FilterChain{{Filters: []*listenerv3.Filter{{
			Name: "tcp", ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: config},
		}}}},
	}
}

func to(cluster, stats string) *tcpv3.TcpProxy {
	return &tcpv3.TcpProxy{StatPrefix: stats, ClusterSpecifier: &tcpv3.TcpProxy_Cluster{Cluster: cluster}}
}

func routes(pattern, cluster string) *routev3.RouteConfiguration {
	return &routev3.RouteConfiguration{Name: "web", VirtualHosts: []*routev3.VirtualHost{{
		Name: "all", Domains: []string{"*"}, Routes: []*routev3.Route{{
			Match:  &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{Regex: pattern}}},
			Action: &routev3.Route_Route{Route: &routev3.RouteAction{ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: cluster}}},
		}},
	}}}
}

func TestGoodResourcesPassUnchanged(t *testing.T) {
	messages := []proto.Message{
		cluster("cart"), assignment("cart", 8080), listener(t, to("cart", "in")), routes("/a.*", "comes-later"),
	}
	var before []proto.Message
	for _, m := range messages {
		before = append(before, proto.Clone(m))
	}
	if err := validate.Resources(t.Context(), "shop/cart", messages); err != nil {
		t.Error(err)
	}
	for i, m := range messages {
		if !proto.Equal(m, before[i]) {
			t.Errorf("was changed: %v", m)
		}
	}
}

func TestRefused(t *testing.T) {
	late := cluster("late")
	late.ConnectTimeout = durationpb.New(-time.Second)
	for name, test := range map[string]struct {
		message proto.Message
		want    []string
	}{
		"a rule of the API":      {late, []string{"Cluster late: ", "ConnectTimeout"}},
		"a rule of an extension": {listener(t, to("cart", "")), []string{"Listener in: ", "StatPrefix"}},
		"a rule of an endpoint":  {assignment("cart", 70_000), []string{"ClusterLoadAssignment cart: ", "PortValue"}},
		"a regex by Envoy":       {routes("/(", "cart"), []string{"envoy refused", "missing )"}},
		"a type":                 {&tlsv3.Secret{Name: "identity"}, []string{"no place for a *tlsv3.Secret"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := validate.Resources(t.Context(), "shop/cart", []proto.Message{test.message})
			if err == nil {
				t.Fatal("it was accepted")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
		})
	}
}

func TestEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := validate.Resources(ctx, "shop/cart", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
}
