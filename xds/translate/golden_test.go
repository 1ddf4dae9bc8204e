package translate_test

import (
	"fmt"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"sigs.k8s.io/yaml"

	"outrigger.dev/outrigger/policy/ir"
	"outrigger.dev/outrigger/test/golden"
	"outrigger.dev/outrigger/test/validate"
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
	cache.Cluster: "clusters.yaml", cache.Endpoints: "endpoints.yaml", cache.Listener: "listeners.yaml", cache.Route: "routes.yaml",
}

func TestGolden(t *testing.T) {
	golden.Run(t, "testdata/in", "testdata/out", func(t *testing.T, input []byte) map[string][]byte {
		t.Helper()
		var c goldenCase
		golden.Read(t, input, &c)
		files := map[string][]byte{}
		var messages []proto.Message
		for _, r := range c.resources() {
			message := messageOf(t, r)
			messages = append(messages, message)
			files[goldenFiles[r.Type]] = append(files[goldenFiles[r.Type]], document(t, r, message)...)
		}
		if err := validate.Resources(t.Context(), "shop/web-1", messages); err != nil {
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
