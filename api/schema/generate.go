package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"sigs.k8s.io/yaml"
)

//go:embed service.json
var service []byte

// object is a JSON object.
type object = map[string]any

// crd is the part of a CustomResourceDefinition that the schema is made of.
type crd struct {
	Spec struct {
		Group string `json:"group"`
		Scope string `json:"scope"`
		Names struct {
			Kind string `json:"kind"`
		} `json:"names"`
		Versions []struct {
			Name   string `json:"name"`
			Schema struct {
				OpenAPIV3Schema object `json:"openAPIV3Schema"`
			} `json:"schema"`
		} `json:"versions"`
	} `json:"spec"`
}

// generate returns the schema of everything that a folder holds.
func generate(crds string) ([]byte, error) {
	files, err := filepath.Glob(filepath.Join(crds, "*.yaml"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no CRDs in %s: %w", crds, err)
	}
	definitions := make(object)
	if err := json.Unmarshal(service, &definitions); err != nil {
		return nil, fmt.Errorf("service.json: %w", err)
	}
	kinds := []any{object{"$ref": "#/definitions/Service"}}
	for _, file := range files {
		kind, schema, err := read(file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		definitions[kind] = schema
		kinds = append(kinds, object{"$ref": "#/definitions/" + kind})
	}
	return encode(object{
		"$schema":     "http://json-schema.org/draft-07/schema#",
		"title":       "Outrigger",
		"description": "One object of a mesh in a folder of files.",
		"oneOf":       kinds,
		"definitions": definitions,
	})
}

func encode(schema object) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(schema)
	return b.Bytes(), err
}

// read returns the kind of a CRD and its schema.
func read(file string) (string, object, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return "", nil, err
	}
	var from crd
	if err := yaml.Unmarshal(data, &from); err != nil {
		return "", nil, err
	}
	if len(from.Spec.Versions) != 1 {
		return "", nil, fmt.Errorf("%d versions, not one", len(from.Spec.Versions))
	}
	version := from.Spec.Versions[0]
	schema := convert(version.Schema.OpenAPIV3Schema)
	metadata := "#/definitions/namespacedMetadata"
	if from.Spec.Scope == "Cluster" {
		metadata = "#/definitions/clusterMetadata"
	}
	properties := schema["properties"].(object)
	properties["apiVersion"] = object{"const": from.Spec.Group + "/" + version.Name}
	properties["kind"] = object{"const": from.Spec.Names.Kind}
	properties["metadata"] = object{"$ref": metadata}
	properties["status"] = object{"description": "What the control plane found out; ignored in files."}
	required, _ := schema["required"].([]any)
	schema["required"] = append([]any{"apiVersion", "kind", "metadata"}, required...)
	return from.Spec.Names.Kind, schema, nil
}
