package translate_test

import (
	"fmt"
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

	"outrigger.dev/outrigger/policy/ir"
	"outrigger.dev/outrigger/test/envoy"
	"outrigger.dev/outrigger/test/golden"
	"outrigger.dev/outrigger/xds/cache"
	"outrigger.dev/outrigger/xds/translate"
)

// goldenCase is what a file in testdata/in holds: ir values, as they could stand in one proxy.
type goldenCase struct {
	Upstreams []ir.Upstream
	Endpoints []ir.Endpoints
	Outbounds []ir.Outbound
	Capture   *ir.Capture
	Inbound   *ir.Inbound
}

func (c *goldenCase) resources() []translate.Resource {
	var out []translate.Resource
	for i := range c.Upstreams {
		out = append(out, translate.Cluster(&c.Upstreams[i]))
	}
	for i := range c.Endpoints {
		out = append(out, translate.Endpoints(&c.Endpoints[i]))
	}
	for i := range c.Outbounds {
		out = append(out, translate.Outbound(&c.Outbounds[i])...)
	}
	if c.Capture != nil {
		out = append(out, translate.Capture(*c.Capture)...)
	}
	if c.Inbound != nil {
		out = append(out, translate.Inbound(c.Inbound)...)
	}
	return out
}

var goldenFiles = map[cache.Type]string{
	cache.Cluster: "clusters", cache.Endpoints: "endpoints", cache.Listener: "listeners", cache.Route: "routes",
}

func TestGolden(t *testing.T) {
	golden.Run(t, "testdata/in", "testdata/out", func(t *testing.T, input []byte) map[string][]byte {
		t.Helper()
		var c goldenCase
		golden.Read(t, input, &c)
		resources := c.resources()
		files := map[string][]byte{}
		for _, r := range resources {
			message := messageOf(t, r)
			validateAll(t, r.Name, message)
			files[goldenFiles[r.Type]] = append(files[goldenFiles[r.Type]], document(t, r, message)...)
		}
		if err := envoy.Validate(t.Context(), staticBootstrap(t, resources)); err != nil {
			t.Error(err)
		}
		return files
	})
}

// document prints a resource, and what it names, as one document of a YAML file.
func document(t *testing.T, r translate.Resource, message proto.Message) []byte {
	t.Helper()
	data, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	text, err := yaml.JSONToYAML(data)
	if err != nil {
		t.Fatal(err)
	}
	out := fmt.Appendf(nil, "# %s\n", r.Name)
	for _, ref := range r.Refs {
		out = fmt.Appendf(out, "#   needs %s %s\n", ref.Type, ref.Name)
	}
	return append(append(out, text...), "---\n"...)
}

// validateAll applies the rules of Envoy's API to a message and to every extension within it.
func validateAll(t *testing.T, name string, message proto.Message) {
	t.Helper()
	err := protorange.Range(message.ProtoReflect(), func(p protopath.Values) error {
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
		t.Errorf("%s: %v", name, err)
	}
}

// staticBootstrap puts resources where `envoy --mode validate` looks at them: routes into a connection
// manager, assignments into a cluster.
func staticBootstrap(t *testing.T, resources []translate.Resource) []byte {
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
	data, err := protojson.Marshal(&bootstrapv3.Bootstrap{
		Node:             &corev3.Node{Id: "shop/web-1", Cluster: "shop/web"},
		StaticResources:  static,
		DynamicResources: &bootstrapv3.Bootstrap_DynamicResources{AdsConfig: adsConfig()},
	})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func adsConfig() *corev3.ApiConfigSource {
	return &corev3.ApiConfigSource{
		ApiType: corev3.ApiConfigSource_DELTA_GRPC, TransportApiVersion: corev3.ApiVersion_V3,
		GrpcServices: []*corev3.GrpcService{{TargetSpecifier: &corev3.GrpcService_GoogleGrpc_{
			GoogleGrpc: &corev3.GrpcService_GoogleGrpc{TargetUri: "127.0.0.1:1", StatPrefix: "ads"},
		}}},
	}
}

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
