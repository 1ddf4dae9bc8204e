package translate_test

import (
	"testing"

	"outrigger.dev/outrigger/policy/ir"
	"outrigger.dev/outrigger/test/golden"
	"outrigger.dev/outrigger/xds/translate"
)

// grpcCase is what a file in testdata/grpc/in holds: ir values, as they could stand in gRPC programs.
type grpcCase struct {
	Targets   []ir.Target
	Upstreams []ir.Upstream
	Endpoints []ir.Endpoints
	Inbound   *ir.Inbound
}

func (c *grpcCase) resources() []translate.Resource {
	var out []translate.Resource
	for _, target := range c.Targets {
		out = append(out, translate.GRPCTarget(target)...)
	}
	for i := range c.Upstreams {
		out = append(out, translate.GRPCCluster(&c.Upstreams[i]))
	}
	for i := range c.Endpoints {
		out = append(out, translate.GRPCEndpoints(&c.Endpoints[i]))
	}
	if c.Inbound != nil {
		out = append(out, translate.Inbound(c.Inbound)...)
	}
	return out
}

func TestGRPCGolden(t *testing.T) {
	golden.Run(t, "testdata/grpc/in", "testdata/grpc/out", func(t *testing.T, input []byte) map[string][]byte {
		t.Helper()
		var c grpcCase
		golden.Read(t, input, &c)
		files := map[string][]byte{}
		for _, r := range c.resources() {
			message := messageOf(t, r)
			if err := message.(interface{ ValidateAll() error }).ValidateAll(); err != nil {
				t.Errorf("%s: %v", r.Name, err)
			}
			file := goldenFiles[r.Type]
			files[file] = append(files[file], document(t, r, message)...)
		}
		return files
	})
}
