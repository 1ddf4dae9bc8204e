package file

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"

	"outrigger.dev/outrigger/api/v1alpha1"
	"outrigger.dev/outrigger/discovery"
)

// FuzzParseFile: any bytes are answered, within the limits, and a second parse that knows the first says the same.
func FuzzParseFile(f *testing.F) {
	seeds, err := filepath.Glob("testdata/in/*/*.y*ml")
	if err != nil || len(seeds) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, seed := range seeds {
		data, err := os.ReadFile(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		first := parse("fuzz.yaml", data, nil)
		if len(first.problems) > maxProblems+1 {
			t.Errorf("%d problems", len(first.problems))
		}
		lines := bytes.Count(data, []byte("\n")) + 1
		for _, object := range first.objects {
			if object.ID.Kind == "" || object.ID.Name == "" || object.Line < 1 || object.Line > lines {
				t.Errorf("an object without name or line: %+v", object.ID)
			}
		}
		for _, problem := range first.problems {
			if problem.Reason == "" || problem.Message == "" || !strings.HasPrefix(problem.Location, "fuzz.yaml") {
				t.Errorf("a problem without reason, message or place: %+v", problem)
			}
		}
		second := parse("fuzz.yaml", data, first)
		if !reflect.DeepEqual(first.problems, second.problems) || len(first.objects) != len(second.objects) {
			t.Error("a second parse says something else")
		}
		m := newMesh(discovery.SourceID{Kind: "file"})
		m.replace("fuzz.yaml", first.objects)
		m.settle()
	})
}

// TestSplitKeepsEverything: the documents of a file are the file, and their lines are right.
func TestSplitKeepsEverything(t *testing.T) {
	text := "a: 1\n---\nb: 2\n--- # c\nc: |\n  ---\n--- {d: 1}\n---x: 1\n---"
	var joined strings.Builder
	var lines []int
	for _, document := range split([]byte(text)) {
		joined.Write(document.text)
		lines = append(lines, document.line)
	}
	if joined.String() != text || fmt.Sprint(lines) != "[0 1 3 6 8]" {
		t.Errorf("lines %v, text %q", lines, joined.String())
	}
}

func TestLimits(t *testing.T) {
	for name, data := range map[string]string{
		"file":      strings.Repeat("#", MaxFileSize+1),
		"documents": strings.Repeat("---\n", MaxDocuments+2),
		"document":  "a: " + strings.Repeat("x", MaxDocumentSize),
		"depth":     "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nstatus: {conditions: " + strings.Repeat("[", 100) + strings.Repeat("]", 100) + "}\n",
	} {
		objects, problems := ParseFile("big.yaml", []byte(data))
		if len(objects) > 0 || len(problems) == 0 {
			t.Errorf("%s: %d objects, problems %v", name, len(objects), problems)
		}
	}
}

// TestLineOfWhatCannotBeRead: the parser does not say where a character stands that it does not take.
func TestLineOfWhatCannotBeRead(t *testing.T) {
	good := "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 80}]}\n"
	for name, data := range map[string]string{
		"latin 1":       good + "---\n# gr\xfc\xdfe\n",
		"zero":          good + "# é\x00\n",
		"half a letter": good + "---\n# \xc3",
		"escape":        good + "a: \x1b[0m\n",
	} {
		want := "a.yaml:5"
		if strings.Contains(data, "---") {
			want = "a.yaml:6"
		}
		_, problems := ParseFile("a.yaml", []byte(data))
		if len(problems) != 1 || problems[0].Location != want || strings.Contains(problems[0].Message, "yaml:") {
			t.Errorf("%s: %v, want one problem at %s", name, problems, want)
		}
	}
}

// TestUnchangedDocumentsAreNotParsedAgain compares what the next version of a file shares with the one before.
func TestUnchangedDocumentsAreNotParsedAgain(t *testing.T) {
	doc := "---\napiVersion: outrigger.dev/v1alpha1\nkind: Workload\nmetadata: {name: %s}\nspec: {addresses: [10.0.0.1]}\n"
	first := parse("a.yaml", fmt.Appendf(nil, doc+doc, "a", "b"), nil)
	next := parse("a.yaml", fmt.Appendf(nil, "# moved\n"+doc+doc, "c", "b"), first)
	if len(next.objects) != 2 || next.objects[1].workload != first.objects[1].workload || next.objects[1].Line != first.objects[1].Line+1 {
		t.Errorf("objects %+v", next.objects)
	}
}

// TestObjectsThatStayAreTheSame: what neither changed nor moved is the very object of the version before, so that the mesh
// has nothing to do for it; what moved is another one.
func TestObjectsThatStayAreTheSame(t *testing.T) {
	doc := "---\napiVersion: outrigger.dev/v1alpha1\nkind: Workload\nmetadata: {name: %s}\nspec: {addresses: [10.0.0.1]}\n"
	first := parse("a.yaml", fmt.Appendf(nil, doc+doc+doc, "a", "b", "c"), nil)
	next := parse("a.yaml", fmt.Appendf(nil, doc+doc+doc, "a", "d", "c"), first)
	gone, come := withoutCommon(first.objects, next.objects)
	if len(gone) != 1 || gone[0].ID.Name != "b" || len(come) != 1 || come[0].ID.Name != "d" {
		t.Errorf("gone %v, come %v", gone, come)
	}
	moved := parse("a.yaml", fmt.Appendf(nil, "# moved\n"+doc+doc+doc, "a", "d", "c"), next)
	if gone, come := withoutCommon(next.objects, moved.objects); len(gone) != 3 || len(come) != 3 || come[2].Line != gone[2].Line+1 {
		t.Errorf("gone %v, come %v", gone, come)
	}
}

// TestEveryFieldIsRead decodes a value into every field that the kinds have, so that none is of a Go type that the
// decoder does not know.
func TestEveryFieldIsRead(t *testing.T) {
	for _, object := range []any{
		corev1.Service{}, v1alpha1.Workload{}, v1alpha1.ProxyConfig{}, v1alpha1.MeshConfig{}, v1alpha1.AuthenticationPolicy{},
	} {
		t.Run(reflect.TypeOf(object).Name(), func(t *testing.T) {
			var root yaml.Node
			if err := yaml.Unmarshal([]byte(sample(reflect.TypeOf(object))), &root); err != nil {
				t.Fatal(err)
			}
			d := &decoder{fields: make(map[reflect.Type]map[string][]int)}
			d.decode(root.Content[0], reflect.New(reflect.TypeOf(object)).Elem(), nil)
			for _, fault := range d.faults {
				t.Errorf("%s: %s", fault.field, fault.message)
			}
		})
	}
}

// sample writes a value of a type as YAML in flow style.
func sample(t reflect.Type) string {
	switch t.String() {
	case "v1.Time":
		return `"2026-01-02T03:04:05Z"`
	case "intstr.IntOrString":
		return "80"
	case "v1.FieldsV1":
		return "{a: b}"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return sample(t.Elem())
	case reflect.Slice:
		return "[" + sample(t.Elem()) + "]"
	case reflect.Map:
		return "{key: " + sample(t.Elem()) + "}"
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true"
	case reflect.Struct:
		return "{" + strings.Join(sampleFields(t), ", ") + "}"
	}
	return "1"
}

func sampleFields(t reflect.Type) []string {
	var fields []string
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" {
			fields = append(fields, sampleFields(f.Type)...)
		} else {
			fields = append(fields, name+": "+sample(f.Type))
		}
	}
	return fields
}

// BenchmarkLoad reads a file of 1,000 services and 10,000 workloads and resolves it.
func BenchmarkLoad(b *testing.B) {
	data := large(1000, 10)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		parsed := parse("mesh.yaml", data, nil)
		m := newMesh(discovery.SourceID{Kind: "file"})
		m.replace("mesh.yaml", parsed.objects)
		m.settle()
		if update := m.pending(); len(update.Endpoints) != 1000 {
			b.Fatalf("%d shards, problems %v", len(update.Endpoints), parsed.problems)
		}
	}
}

// BenchmarkOneChange changes one workload of the same file.
func BenchmarkOneChange(b *testing.B) {
	data := large(1000, 10)
	before := parse("mesh.yaml", data, nil)
	m := newMesh(discovery.SourceID{Kind: "file"})
	m.replace("mesh.yaml", before.objects)
	m.settle()
	m.commit()
	versions := [2][]byte{bytes.Replace(data, []byte("10.0.0.1]"), []byte("10.200.0.1]"), 1), data}
	for i := 0; b.Loop(); i++ {
		before = parse("mesh.yaml", versions[i%2], before)
		m.replace("mesh.yaml", before.objects)
		m.settle()
		if update := m.pending(); len(update.Endpoints) != 1 || len(update.Workloads) != 1 {
			b.Fatalf("%d shards, %d workloads", len(update.Endpoints), len(update.Workloads))
		}
		m.commit()
	}
}

func large(services, instances int) []byte {
	var b bytes.Buffer
	for s := range services {
		fmt.Fprintf(&b, "---\napiVersion: v1\nkind: Service\nmetadata: {name: s%d}\nspec: {selector: {app: s%d}, ports: [{name: http, port: 80, targetPort: 8080}]}\n", s, s)
		for i := range instances {
			fmt.Fprintf(&b, "---\napiVersion: outrigger.dev/v1alpha1\nkind: Workload\nmetadata:\n  name: s%d-%d\n  labels: {app: s%d, tier: gold}\nspec:\n  addresses: [10.%d.%d.%d]\n  sidecar: true\n",
				s, i, s, s/256, s%256, i+1)
		}
	}
	return b.Bytes()
}
