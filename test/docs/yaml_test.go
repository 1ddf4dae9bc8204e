package docs

import (
	"os"
	"path/filepath"
	"testing"

	"outrigger.dev/outrigger/discovery/file"
)

// TestYAML reads every block of YAML in the documents as a file of a mesh.
func TestYAML(t *testing.T) {
	found := 0
	for _, doc := range documents(t) {
		dir := t.TempDir()
		for _, b := range blocks(t, doc) {
			if b.language != "yaml" {
				continue
			}
			found++
			path := filepath.Join(dir, "block.yaml")
			if err := os.WriteFile(path, []byte(b.text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, problems, err := file.Load(dir)
			if err != nil {
				t.Errorf("%s: %v", doc, err)
			}
			for _, p := range problems {
				if !p.Warning {
					t.Errorf("%s: %s\n%s", doc, p, b.text)
				}
			}
		}
	}
	if found == 0 {
		t.Error("no document holds YAML")
	}
}
