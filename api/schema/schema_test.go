package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/yaml"
)

const committed = "../../deploy/schema/outrigger.schema.json"

// TestCommittedSchemaIsFresh fails when the CRDs changed and `make generate` was not run.
func TestCommittedSchemaIsFresh(t *testing.T) {
	want, err := generate("../../deploy/crds")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(committed)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("deploy/schema is stale: run make generate")
	}
}

func compile(t *testing.T) *jsonschema.Schema {
	t.Helper()
	schema, err := jsonschema.NewCompiler().Compile(committed)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// accepts reports what the schema says of each document of a file.
func accepts(t *testing.T, schema *jsonschema.Schema, file string) []error {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var verdicts []error
	for document := range strings.SplitSeq("\n"+string(data), "\n---") {
		text, err := yaml.YAMLToJSON([]byte(document))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if value != nil {
			verdicts = append(verdicts, schema.Validate(value))
		}
	}
	return verdicts
}

func files(t *testing.T, patterns ...string) []string {
	t.Helper()
	var found []string
	for _, pattern := range patterns {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			t.Fatalf("no file matches %s: %v", pattern, err)
		}
		found = append(found, names...)
	}
	return found
}

// TestGoodObjects: an editor finds nothing wrong with what the CRDs and the file source accept.
func TestGoodObjects(t *testing.T) {
	schema := compile(t)
	for _, file := range files(t, "../v1alpha1/testdata/good/*.yaml",
		"../../discovery/file/testdata/in/small/*.y*ml", "../../discovery/file/testdata/in/small/policies/*.yaml",
		"../../discovery/file/testdata/in/services/*.yaml", "../../discovery/file/testdata/in/conflicts/*.yaml") {
		if strings.HasPrefix(filepath.Base(file), ".") {
			continue
		}
		for _, err := range accepts(t, schema, file) {
			if err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
}

// TestBadObjects: an editor finds what the schemas of the CRDs find; their CEL rules it cannot run.
func TestBadObjects(t *testing.T) {
	schema := compile(t)
	celOnly := map[string]bool{
		"authentication-port-twice": true, "meshconfig-join-twice": true, "proxyconfig-egress-twice": true, "workload-port-twice": true,
		"proxyconfig-egress-on-ingress": true, "proxyconfig-egress-on-target": true, "proxyconfig-egress-unspecified": true,
		"proxyconfig-ingress-overlap": true, "proxyconfig-ingress-self": true, "proxyconfig-ingress-self-port": true,
		"proxyconfig-ingress-twice": true, "proxyconfig-scope-namespace": true, "proxyconfig-selector-key": true,
		"workload-host-name": true, "workload-mapped-address": true, "workload-multicast-address": true,
		"workload-port-name-digits": true, "workload-proxyless": true, "workload-unspecified-address": true, "workload-zoned-address": true,
	}
	for _, file := range files(t, "../v1alpha1/testdata/bad/*.yaml") {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		if verdict := accepts(t, schema, file)[0]; (verdict == nil) != celOnly[name] {
			t.Errorf("%s: refused by the schema: %t, by CEL only: %t", name, verdict != nil, celOnly[name])
		}
	}
}

// TestEveryKindHasADescription: the texts of api/v1alpha1 reach the editor.
func TestEveryKindHasADescription(t *testing.T) {
	data, err := os.ReadFile(committed)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		"Workload is one running instance outside Kubernetes", "Mode of every port that no AuthenticationPolicy selects",
		"must be an IPv4 or IPv6 address", "What is spoken on the port",
	} {
		if !bytes.Contains(data, []byte(text)) {
			t.Errorf("%q is not in the schema", text)
		}
	}
}
