package pipeline_test

import (
	"os"
	"path/filepath"
	"testing"

	"outrigger.dev/outrigger/test/golden"
	"outrigger.dev/outrigger/xds/translate"
)

// TestShapeKeepsItsVersions: within one shape, an equal folder gives every resource the same version: what a control plane
// of another build sent is what this one would send.
func TestShapeKeepsItsVersions(t *testing.T) {
	folders, err := filepath.Glob("testdata/in/*")
	if err != nil {
		t.Fatal(err)
	}
	var resources []golden.Versioned
	for _, dir := range folders {
		line, input := load(t, dir), contentOf(t, dir)
		labels := line.labels()
		for _, change := range line.changes.Resources {
			resources = append(resources, golden.Versioned{
				Case: filepath.Base(dir) + "/" + labels[change.Layer], Input: input,
				Type: change.Ref.Type.String(), Name: change.Ref.Name, Version: change.Resource.Version(),
			})
		}
	}
	golden.Shape(t, "testdata/shape", translate.ShapeVersion, resources)
}

// contentOf is all that stands in a folder.
func contentOf(t *testing.T, dir string) []byte {
	t.Helper()
	var content []byte
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		content = append(append(content, path...), text...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return content
}
