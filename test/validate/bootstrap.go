package validate

import (
	"fmt"
	"strings"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// firstPort is that of the first listener that is made for routes.
const firstPort = 20_000

// bootstrap puts resources where Envoy looks at them without a control plane: routes into a connection manager,
// assignments into a cluster. The fields named unknown are left out.
func bootstrap(node string, messages []proto.Message, unknown []string) ([]byte, error) {
	static := &bootstrapv3.Bootstrap_StaticResources{}
	for i, message := range messages {
		message = proto.Clone(message)
		if err := without(message.ProtoReflect(), unknown); err != nil {
			return nil, err
		}
		switch m := message.(type) {
		case *clusterv3.Cluster:
			static.Clusters = append(static.Clusters, clusters(m)...)
		case *listenerv3.Listener:
			static.Listeners = append(static.Listeners, m)
		case *endpointv3.ClusterLoadAssignment:
			static.Clusters = append(static.Clusters, assignmentCluster(m))
		case *routev3.RouteConfiguration:
			listener, err := routeListener(m, uint32(firstPort+i))
			if err != nil {
				return nil, err
			}
			static.Listeners = append(static.Listeners, listener)
		default:
			return nil, fmt.Errorf("a bootstrap has no place for a %T", m)
		}
	}
	namespace, _, _ := strings.Cut(node, "/")
	return protojson.Marshal(&bootstrapv3.Bootstrap{
		Node:             &corev3.Node{Id: node, Cluster: namespace + "/default"},
		StaticResources:  static,
		DynamicResources: &bootstrapv3.Bootstrap_DynamicResources{AdsConfig: nowhere()},
	})
}

// nowhere is a control plane for what comes by ADS; validation never connects to it.
func nowhere() *corev3.ApiConfigSource {
	return &corev3.ApiConfigSource{
		ApiType: corev3.ApiConfigSource_DELTA_GRPC, TransportApiVersion: corev3.ApiVersion_V3,
		GrpcServices: []*corev3.GrpcService{{TargetSpecifier: &corev3.GrpcService_GoogleGrpc_{
			GoogleGrpc: &corev3.GrpcService_GoogleGrpc{TargetUri: "127.0.0.1:1", StatPrefix: "ads"},
		}}},
	}
}

// clusters takes a cluster apart that has both its endpoints and secrets in itself: those that a bootstrap holds are made
// before there is a stream that secrets could come by, and Envoy would fall over it. By a stream it gets them whole.
func clusters(m *clusterv3.Cluster) []*clusterv3.Cluster {
	if m.GetLoadAssignment() == nil || m.GetTransportSocket() == nil && len(m.GetTransportSocketMatches()) == 0 {
		return []*clusterv3.Cluster{m}
	}
	secured := proto.CloneOf(m)
	secured.Name = "secrets of " + m.GetName()
	secured.LoadAssignment = nil
	secured.ClusterDiscoveryType = &clusterv3.Cluster_Type{Type: clusterv3.Cluster_EDS}
	secured.EdsClusterConfig = &clusterv3.Cluster_EdsClusterConfig{EdsConfig: &corev3.ConfigSource{
		ResourceApiVersion: corev3.ApiVersion_V3, ConfigSourceSpecifier: &corev3.ConfigSource_Ads{Ads: &corev3.AggregatedConfigSource{}},
	}}
	m.TransportSocket, m.TransportSocketMatches = nil, nil
	return []*clusterv3.Cluster{m, secured}
}

// assignmentCluster is a cluster that has an assignment in itself.
func assignmentCluster(assignment *endpointv3.ClusterLoadAssignment) *clusterv3.Cluster {
	return &clusterv3.Cluster{
		Name: "of " + assignment.GetClusterName(), LoadAssignment: assignment,
		ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC},
	}
}

// routeListener is a listener that has routes in itself. As when they come by a stream, their clusters may come later.
func routeListener(routes *routev3.RouteConfiguration, port uint32) (*listenerv3.Listener, error) {
	routes.ValidateClusters = wrapperspb.Bool(false)
	manager, err := anypb.New(&hcmv3.HttpConnectionManager{
		StatPrefix:     "routes",
		RouteSpecifier: &hcmv3.HttpConnectionManager_RouteConfig{RouteConfig: routes},
	})
	if err != nil {
		return nil, fmt.Errorf("routes %s: %w", routes.GetName(), err)
	}
	return &listenerv3.Listener{
		Name: "of " + routes.GetName(),
		Address: &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
			Address: "127.0.0.1", PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: port},
		}}},
		FilterChains: []*listenerv3.FilterChain{{Filters: []*listenerv3.Filter{{
			Name: "envoy.filters.network.http_connection_manager", ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: manager},
		}}}},
	}, nil
}
