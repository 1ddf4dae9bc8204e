// Command schema writes deploy/schema/outrigger.schema.json: the JSON Schema
// (draft-07, the one that editors' YAML servers know best) of what a folder of
// the file source holds, one object per document. It is generated from the
// CRDs in deploy/crds, whose texts come from api/v1alpha1; the part of core/v1
// Service that the mesh reads is in service.json.
//
// It imports nothing of Outrigger's and is never part of a binary of the mesh.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	crds := flag.String("crds", "deploy/crds", "folder of the CRDs")
	out := flag.String("out", "deploy/schema/outrigger.schema.json", "file to write")
	flag.Parse()
	if err := run(*crds, *out); err != nil {
		fmt.Fprintln(os.Stderr, "schema:", err)
		os.Exit(1)
	}
}

func run(crds, out string) error {
	data, err := generate(crds)
	if err != nil {
		return err
	}
	return os.WriteFile(out, data, 0o644)
}
