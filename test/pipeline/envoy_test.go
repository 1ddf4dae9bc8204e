package pipeline_test

import (
	"fmt"
	"strings"
	"testing"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protopath"
	"google.golang.org/protobuf/reflect/protorange"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
	"sigs.k8s.io/yaml"

	"outrigger.dev/outrigger/xds/cache"
)

// messageOf decodes a resource with the stock unmarshaller.
func messageOf(t *testing.T, r *cache.Resource) proto.Message {
	t.Helper()
	message := map[cache.Type]proto.Message{
		cache.Cluster: &clusterv3.Cluster{}, cache.Endpoints: &endpointv3.ClusterLoadAssignment{},
		cache.Listener: &listenerv3.Listener{}, cache.Route: &routev3.RouteConfiguration{},
	}[r.Type()]
	if err := proto.Unmarshal(r.Body(), message); err != nil {
		t.Fatalf("%s %s: %v", r.Type(), r.Name(), err)
	}
	return message
}

// document prints a resource, what it was made from and what it needs, as one document of a YAML file.
func document(t *testing.T, r *cache.Resource) []byte {
	t.Helper()
	data, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(messageOf(t, r))
	if err != nil {
		t.Fatal(err)
	}
	text, err := yaml.JSONToYAML(data)
	if err != nil {
		t.Fatal(err)
	}
	out := fmt.Appendf(nil, "# %s\n", r.Name())
	if r.Owner() != "" {
		out = fmt.Appendf(out, "#   from %s\n", r.Owner())
	}
	if r.Group() != "" {
		out = fmt.Appendf(out, "#   in the scope of %s\n", r.Group())
	}
	for _, ref := range r.Refs() {
		out = fmt.Appendf(out, "#   needs %s %s\n", ref.Type, ref.Name)
	}
	return append(append(out, text...), "---\n"...)
}

// validateMessage applies the rules of Envoy's API to a resource and to every extension within it.
func validateMessage(t *testing.T, r *cache.Resource) {
	t.Helper()
	err := protorange.Range(messageOf(t, r).ProtoReflect(), func(p protopath.Values) error {
		value, ok := p.Index(-1).Value.Interface().(protoreflect.Message)
		if !ok {
			return nil
		}
		if v, ok := value.Interface().(interface{ ValidateAll() error }); ok {
			return v.ValidateAll()
		}
		return nil
	})
	if err != nil {
		t.Errorf("%s %s: %v", r.Type(), r.Name(), err)
	}
}

// staticBootstrap puts what a node sees where Envoy looks at it without a control plane: routes into a
// connection manager, assignments into a cluster.
func staticBootstrap(t *testing.T, node string, resources []*cache.Resource) []byte {
	t.Helper()
	static := &bootstrapv3.Bootstrap_StaticResources{}
	for i, r := range resources {
		switch m := messageOf(t, r).(type) {
		case *clusterv3.Cluster:
			static.Clusters = append(static.Clusters, m)
		case *listenerv3.Listener:
			static.Listeners = append(static.Listeners, m)
		case *endpointv3.ClusterLoadAssignment:
			static.Clusters = append(static.Clusters, &clusterv3.Cluster{
				Name: "of " + m.GetClusterName(), LoadAssignment: m,
				ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC},
			})
		case *routev3.RouteConfiguration:
			static.Listeners = append(static.Listeners, routeListener(t, m, uint32(20_000+i)))
		}
	}
	namespace, _, _ := strings.Cut(node, "/")
	data, err := protojson.Marshal(&bootstrapv3.Bootstrap{
		Node:            &corev3.Node{Id: node, Cluster: namespace + "/default"},
		StaticResources: static,
		DynamicResources: &bootstrapv3.Bootstrap_DynamicResources{AdsConfig: &corev3.ApiConfigSource{
			ApiType: corev3.ApiConfigSource_DELTA_GRPC, TransportApiVersion: corev3.ApiVersion_V3,
			GrpcServices: []*corev3.GrpcService{{TargetSpecifier: &corev3.GrpcService_GoogleGrpc_{
				GoogleGrpc: &corev3.GrpcService_GoogleGrpc{TargetUri: "127.0.0.1:1", StatPrefix: "ads"},
			}}},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// routeListener is a listener that has routes in itself. As when they come by a stream, their clusters may come later.
func routeListener(t *testing.T, routes *routev3.RouteConfiguration, port uint32) *listenerv3.Listener {
	t.Helper()
	routes.ValidateClusters = wrapperspb.Bool(false)
	manager, err := anypb.New(&hcmv3.HttpConnectionManager{
		StatPrefix:     "routes",
		RouteSpecifier: &hcmv3.HttpConnectionManager_RouteConfig{RouteConfig: routes},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &listenerv3.Listener{
		Name: "of " + routes.GetName(),
		Address: &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
			Address: "127.0.0.1", PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: port},
		}}},
		FilterChains: []*listenerv3.FilterChain{{Filters: []*listenerv3.Filter{{
			Name: "envoy.filters.network.http_connection_manager", ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: manager},
		}}}},
	}
}
