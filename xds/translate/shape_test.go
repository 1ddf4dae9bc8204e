package translate_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"outrigger.dev/outrigger/test/golden"
	"outrigger.dev/outrigger/xds/cache"
	"outrigger.dev/outrigger/xds/translate"
)

// TestShapeKeepsItsVersions: within one shape, equal ir gives every resource the same version, whatever changed in this package,
// in the marshaller or in how versions are made.
func TestShapeKeepsItsVersions(t *testing.T) {
	resources := versionsOf(t, "testdata/in", "", func(input []byte) []translate.Resource {
		var c goldenCase
		golden.Read(t, input, &c)
		return c.resources()
	})
	resources = append(resources, versionsOf(t, "testdata/grpc/in", "grpc/", func(input []byte) []translate.Resource {
		var c grpcCase
		golden.Read(t, input, &c)
		return c.resources()
	})...)
	golden.Shape(t, "testdata/shape", translate.ShapeVersion, resources)
}

// versionsOf translates every case in a folder.
func versionsOf(t *testing.T, dir, prefix string, translated func([]byte) []translate.Resource) []golden.Versioned {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var out []golden.Versioned
	for _, file := range files {
		input, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range translated(input) {
			body, err := translate.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, golden.Versioned{
				Case: prefix + strings.TrimSuffix(filepath.Base(file), ".yaml"), Input: input,
				Type: r.Type.String(), Name: r.Name,
				Version: cache.NewResource(cache.ResourceConfig{Type: r.Type, Name: r.Name, Body: body}).Version(),
			})
		}
	}
	return out
}
