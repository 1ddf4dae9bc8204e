package pipeline_test

import (
	"fmt"
	"testing"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
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
