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
