package bootstrap

import (
	"fmt"
	"time"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	internallistenerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/bootstrap/internal_listener/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"sigs.k8s.io/yaml"
)

// Render returns the files of the folder by name, without the token. Equal
// arguments give equal bytes. The error names every field that is wrong.
func Render(config Config) (map[string][]byte, error) {
	p, err := config.check()
	if err != nil {
		return nil, fmt.Errorf("bootstrap: %w", err)
	}
	files := map[string][]byte{rootsFile: config.Roots}
	for name, message := range map[string]proto.Message{
		BootstrapFile: p.bootstrap(),
		tokenSDSFile:  p.tokenSDS(),
		rootsSDSFile:  p.rootsSDS(),
	} {
		if files[name], err = toYAML(message); err != nil {
			return nil, fmt.Errorf("bootstrap: %s: %w", name, err)
		}
	}
	return files, nil
}

func (p plan) bootstrap() *bootstrapv3.Bootstrap {
	return &bootstrapv3.Bootstrap{
		Node: &corev3.Node{
			Id:      p.Namespace + "/" + p.Workload,
			Cluster: p.Namespace + "/" + p.ServiceAccount,
		},
		Admin:            &bootstrapv3.Admin{Address: p.admin.proto(), IgnoreGlobalConnLimit: true},
		DynamicResources: dynamicResources(),
		StaticResources:  p.static(),
		// Memory of a service that is never called is not spent.
		ClusterManager:      &bootstrapv3.ClusterManager{EnableDeferredClusterCreation: true},
		StatsConfig:         p.stats(),
		OverloadManager:     p.overload(),
		LayeredRuntime:      runtimeFlags(),
		BootstrapExtensions: []*corev3.TypedExtensionConfig{extension("envoy.bootstrap.internal_listener", &internallistenerv3.InternalListener{})},
	}
}

func (p plan) static() *bootstrapv3.Bootstrap_StaticResources {
	static := &bootstrapv3.Bootstrap_StaticResources{Clusters: []*clusterv3.Cluster{p.controlPlane()}}
	if p.ready != nil {
		static.Listeners = append(static.Listeners, readyListener(*p.ready))
	}
	if p.metrics != nil {
		static.Listeners = append(static.Listeners, metricsListener(*p.metrics))
	}
	if len(static.Listeners) > 0 {
		static.Clusters = append(static.Clusters, staticCluster(adminCluster, p.admin))
	}
	return static
}

// runtimeFlags are Envoy's switches that must differ from its defaults.
func runtimeFlags() *bootstrapv3.LayeredRuntime {
	return &bootstrapv3.LayeredRuntime{Layers: []*bootstrapv3.RuntimeLayer{{
		Name: "outrigger",
		LayerSpecifier: &bootstrapv3.RuntimeLayer_StaticLayer{StaticLayer: &structpb.Struct{Fields: map[string]*structpb.Value{
			// With it, Envoy 1.40 loses a response that crosses an internal
			// listener when the connection is to be closed behind it.
			"envoy.reloadable_features.enable_send_rst_on_user_space_socket": structpb.NewBoolValue(false),
		}}},
	}}}
}

// toYAML spells a message as typed YAML with sorted keys.
func toYAML(message proto.Message) ([]byte, error) {
	data, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(message)
	if err != nil {
		return nil, err
	}
	return yaml.JSONToYAML(data)
}

// pack wraps a message of ours. It cannot fail: what is packed holds valid text only.
func pack(message proto.Message) *anypb.Any {
	packed := &anypb.Any{}
	if err := anypb.MarshalFrom(packed, message, proto.MarshalOptions{Deterministic: true}); err != nil {
		panic(fmt.Sprintf("bootstrap: pack %T: %v", message, err))
	}
	return packed
}

func extension(name string, message proto.Message) *corev3.TypedExtensionConfig {
	return &corev3.TypedExtensionConfig{Name: name, TypedConfig: pack(message)}
}

func seconds(n int64) *durationpb.Duration { return durationpb.New(time.Duration(n) * time.Second) }
