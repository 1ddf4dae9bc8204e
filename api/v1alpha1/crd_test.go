package v1alpha1_test

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	crdvalidation "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"

	"outrigger.dev/outrigger/api/v1alpha1"
)

var update = flag.Bool("update", false, "write the golden files anew")

// validator says what an API server says of an object of one kind.
type validator struct {
	structural *structuralschema.Structural
	schema     validation.SchemaValidator
	cel        *cel.Validator
}

// loadCRDs reads deploy/crds, by kind.
func loadCRDs(t *testing.T) map[string]validator {
	t.Helper()
	files, err := filepath.Glob("../../deploy/crds/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no CRDs in deploy/crds: %v", err)
	}
	validators := make(map[string]validator, len(files))
	for _, file := range files {
		var crd apiextensionsv1.CustomResourceDefinition
		if err := yaml.UnmarshalStrict(read(t, file), &crd); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		demandAcceptable(t, &crd)
		validators[crd.Spec.Names.Kind] = newValidator(t, &crd)
	}
	return validators
}

// demandAcceptable demands that an API server would take the CRD: above all, that its rules cannot cost too much.
func demandAcceptable(t *testing.T, crd *apiextensionsv1.CustomResourceDefinition) {
	t.Helper()
	defaulted := crd.DeepCopy()
	apiextensionsv1.SetDefaults_CustomResourceDefinition(defaulted)
	apiextensionsv1.SetDefaults_CustomResourceDefinitionSpec(&defaulted.Spec)
	defaulted.Status.StoredVersions = []string{defaulted.Spec.Versions[0].Name}
	var internal apiextensions.CustomResourceDefinition
	if err := apiextensionsv1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(defaulted, &internal, nil); err != nil {
		t.Fatal(err)
	}
	if errs := crdvalidation.ValidateCustomResourceDefinition(t.Context(), &internal); len(errs) > 0 {
		t.Errorf("%s is refused: %v", crd.Name, errs.ToAggregate())
	}
}

func newValidator(t *testing.T, crd *apiextensionsv1.CustomResourceDefinition) validator {
	t.Helper()
	var props apiextensions.JSONSchemaProps
	v1 := crd.Spec.Versions[0].Schema.OpenAPIV3Schema
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(v1, &props, nil); err != nil {
		t.Fatal(err)
	}
	structural, err := structuralschema.NewStructural(&props)
	if err != nil {
		t.Fatalf("%s is not structural: %v", crd.Name, err)
	}
	if errs := structuralschema.ValidateStructural(nil, structural); len(errs) > 0 {
		t.Fatalf("%s is not structural: %v", crd.Name, errs.ToAggregate())
	}
	schema, _, err := validation.NewSchemaValidator(&props)
	if err != nil {
		t.Fatal(err)
	}
	return validator{structural: structural, schema: schema, cel: cel.NewValidator(structural, true, celconfig.PerCallLimit)}
}

// validate returns what an API server finds wrong with the object when it is created, or updated from old.
func (v validator) validate(t *testing.T, object, old map[string]any) []string {
	t.Helper()
	var found []string
	options := structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true}
	for _, path := range pruning.PruneWithOptions(object, v.structural, true, options) {
		found = append(found, path+": unknown field")
	}
	defaulting.Default(object, v.structural)
	errs := validation.ValidateCustomResource(nil, object, v.schema)
	errs = append(errs, listtype.ValidateListSetsAndMaps(nil, v.structural, object)...)
	if len(errs) == 0 {
		var previous any
		if old != nil {
			previous = old
		}
		found2, budget := v.cel.Validate(t.Context(), nil, v.structural, object, previous, celconfig.RuntimeCELCostBudget)
		if budget < 0 {
			t.Error("the rules cost more than an API server grants")
		}
		errs = append(errs, found2...)
	}
	return append(found, lines(errs)...)
}

func lines(errs field.ErrorList) []string {
	found := make([]string, 0, len(errs))
	for _, err := range errs {
		found = append(found, strings.TrimPrefix(err.Error(), "<nil>: "))
	}
	slices.Sort(found)
	return found
}

// validateGo returns what the package itself finds wrong with the object.
func validateGo(t *testing.T, data []byte, kind string) []string {
	t.Helper()
	object, ok := map[string]interface{ Validate() field.ErrorList }{
		v1alpha1.KindWorkload:             &v1alpha1.Workload{},
		v1alpha1.KindProxyConfig:          &v1alpha1.ProxyConfig{},
		v1alpha1.KindMeshConfig:           &v1alpha1.MeshConfig{},
		v1alpha1.KindAuthenticationPolicy: &v1alpha1.AuthenticationPolicy{},
	}[kind]
	if !ok {
		t.Fatalf("unknown kind %q", kind)
	}
	if err := yaml.UnmarshalStrict(data, object); err != nil {
		return []string{"does not decode"}
	}
	return lines(object.Validate())
}

func TestGoodObjects(t *testing.T) {
	validators := loadCRDs(t)
	seen := make(map[string]bool)
	for _, file := range glob(t, "testdata/good/*.yaml") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			object := parse(t, file)
			kind := object["kind"].(string)
			seen[kind] = true
			for _, problem := range validators[kind].validate(t, object, nil) {
				t.Errorf("the CRD refuses it: %s", problem)
			}
			for _, problem := range validateGo(t, read(t, file), kind) {
				t.Errorf("Validate refuses it: %s", problem)
			}
		})
	}
	for kind := range validators {
		if !seen[kind] {
			t.Errorf("no good object of kind %s", kind)
		}
	}
}

// TestBadObjects compares what is said of bad objects with golden files, and demands that both the CRD and
// Validate refuse each.
func TestBadObjects(t *testing.T) {
	validators := loadCRDs(t)
	files := glob(t, "testdata/bad/*.yaml")
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			object := parse(t, file)
			kind := object["kind"].(string)
			crd, own := validators[kind].validate(t, object, nil), validateGo(t, read(t, file), kind)
			if len(crd) == 0 || len(own) == 0 {
				t.Errorf("accepted: by the CRD %t, by Validate %t", len(crd) == 0, len(own) == 0)
			}
			golden(t, strings.TrimSuffix(file, ".yaml")+".txt", "crd:\n"+indent(crd)+"validate:\n"+indent(own))
		})
	}
	removeOrphans(t, files)
}

func TestTrustDomainCannotChange(t *testing.T) {
	mesh := func(domain string) map[string]any {
		return map[string]any{
			"apiVersion": "outrigger.dev/v1alpha1", "kind": "MeshConfig",
			"metadata": map[string]any{"name": "default"},
			"spec":     map[string]any{"trustDomain": domain},
		}
	}
	v := loadCRDs(t)["MeshConfig"]
	if found := v.validate(t, mesh("a.example"), mesh("a.example")); len(found) > 0 {
		t.Errorf("the same trust domain is refused: %v", found)
	}
	found := v.validate(t, mesh("b.example"), mesh("a.example"))
	if len(found) != 1 || !strings.Contains(found[0], "trustDomain cannot change") {
		t.Errorf("another trust domain: %v", found)
	}
}

// TestEveryStringAndListHasALimit walks the CRDs, since a limit that is forgotten cannot be added later.
func TestEveryStringAndListHasALimit(t *testing.T) {
	for kind, v := range loadCRDs(t) {
		spec := v.structural.Properties["spec"]
		walk(kind+".spec", &spec, func(path string, s *structuralschema.Structural) {
			limits := s.ValueValidation
			if limits == nil {
				limits = &structuralschema.ValueValidation{}
			}
			switch {
			case s.Type == "string" && limits.MaxLength == nil && len(limits.Enum) == 0:
				t.Errorf("%s has no maxLength", path)
			case s.Type == "array" && limits.MaxItems == nil:
				t.Errorf("%s has no maxItems", path)
			case s.AdditionalProperties != nil && limits.MaxProperties == nil:
				t.Errorf("%s has no maxProperties", path)
			case s.Type == "integer" && limits.Maximum == nil:
				t.Errorf("%s has no maximum", path)
			}
			if s.Description == "" && !strings.HasSuffix(path, "[]") && !strings.HasSuffix(path, "{}") {
				t.Errorf("%s has no description", path)
			}
		})
	}
}

func walk(path string, s *structuralschema.Structural, visit func(string, *structuralschema.Structural)) {
	visit(path, s)
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		child := s.Properties[name]
		walk(path+"."+name, &child, visit)
	}
	if s.Items != nil {
		walk(path+"[]", s.Items, visit)
	}
	if s.AdditionalProperties != nil && s.AdditionalProperties.Structural != nil {
		walk(path+"{}", s.AdditionalProperties.Structural, visit)
	}
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no file matches %s: %v", pattern, err)
	}
	return files
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func parse(t *testing.T, file string) map[string]any {
	t.Helper()
	data, err := yaml.YAMLToJSONStrict(read(t, file))
	if err != nil {
		t.Fatal(err)
	}
	var object map[string]any
	if err := yaml.Unmarshal(data, &object); err != nil {
		t.Fatal(err)
	}
	return integers(object).(map[string]any)
}

// integers turns whole floats into int64, as an API server's decoder does.
func integers(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for key := range value {
			value[key] = integers(value[key])
		}
	case []any:
		for i := range value {
			value[i] = integers(value[i])
		}
	case float64:
		if value == float64(int64(value)) {
			return int64(value)
		}
	}
	return value
}

func indent(lines []string) string {
	var b strings.Builder
	for _, line := range lines {
		fmt.Fprintf(&b, "  %s\n", line)
	}
	return b.String()
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want := read(t, file); !bytes.Equal(want, []byte(got)) {
		t.Errorf("%s differs; got\n%s", file, got)
	}
}

// removeOrphans deletes, or reports, golden files that no case made.
func removeOrphans(t *testing.T, cases []string) {
	t.Helper()
	for _, file := range glob(t, "testdata/bad/*.txt") {
		if slices.Contains(cases, strings.TrimSuffix(file, ".txt")+".yaml") {
			continue
		}
		if !*update {
			t.Errorf("%s belongs to no case", file)
		} else if err := os.Remove(file); err != nil {
			t.Error(err)
		}
	}
}
