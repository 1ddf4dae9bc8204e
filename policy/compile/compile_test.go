package compile_test

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	yamlv3 "go.yaml.in/yaml/v3"
	"sigs.k8s.io/yaml"

	"outrigger.dev/outrigger/api/v1alpha1"
	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy"
	"outrigger.dev/outrigger/policy/compile"
	"outrigger.dev/outrigger/test/golden"
)

// TestScripts runs testdata/in. A script is a list of steps, each begun by a line "# step: what happens"; a
// step is a list of documents: an object, or "delete: <kind> <namespace>/<name>".
func TestScripts(t *testing.T) {
	golden.Run(t, "testdata/in", "testdata/out", func(t *testing.T, script []byte) map[string][]byte {
		t.Helper()
		return map[string][]byte{"rules.txt": run(t, string(script))}
	})
}

// run returns what the compiler says to each step.
func run(t *testing.T, script string) []byte {
	t.Helper()
	compiler, err := compile.New(compile.Config{TrustDomain: "cluster.local"})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for i, step := range strings.Split(script, "# step: ")[1:] {
		title, body, _ := strings.Cut(step, "\n")
		fmt.Fprintf(&out, "# step: %s\n", title)
		rules, problems := compiler.Apply(parse(t, fmt.Sprintf("step%d.yaml", i+1), body))
		printRules(t, &out, rules)
		printProblems(&out, problems)
	}
	return out.Bytes()
}

func parse(t *testing.T, file, text string) compile.Objects {
	t.Helper()
	objects := compile.Objects{
		MeshConfigs:            make(map[discovery.ObjectID]*v1alpha1.MeshConfig),
		ProxyConfigs:           make(map[discovery.ObjectID]*v1alpha1.ProxyConfig),
		AuthenticationPolicies: make(map[discovery.ObjectID]*v1alpha1.AuthenticationPolicy),
		Locations:              make(map[discovery.ObjectID]string),
	}
	for i, doc := range strings.Split(text, "---\n") {
		var head struct {
			Kind, Delete string
			Metadata     struct{ Namespace, Name string }
		}
		decode(t, doc, &head)
		id := discovery.ObjectID{Kind: head.Kind, Namespace: head.Metadata.Namespace, Name: head.Metadata.Name}
		if head.Delete != "" {
			kind, name, _ := strings.Cut(head.Delete, " ")
			id.Kind = kind
			if id.Namespace, id.Name, _ = strings.Cut(name, "/"); id.Name == "" {
				id.Namespace, id.Name = "", name
			}
		} else {
			objects.Locations[id] = fmt.Sprintf("%s#%d", file, i+1)
		}
		switch id.Kind {
		case v1alpha1.KindMeshConfig:
			objects.MeshConfigs[id] = object[v1alpha1.MeshConfig](t, doc, head.Delete)
		case v1alpha1.KindProxyConfig:
			objects.ProxyConfigs[id] = object[v1alpha1.ProxyConfig](t, doc, head.Delete)
		case v1alpha1.KindAuthenticationPolicy:
			objects.AuthenticationPolicies[id] = object[v1alpha1.AuthenticationPolicy](t, doc, head.Delete)
		default:
			t.Fatalf("unknown kind %q", id.Kind)
		}
	}
	return objects
}

func object[T any](t *testing.T, doc, deleted string) *T {
	t.Helper()
	if deleted != "" {
		return nil
	}
	value := new(T)
	decode(t, doc, value)
	return value
}

func decode(t *testing.T, doc string, into any) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(doc), into); err != nil {
		t.Fatalf("%v in\n%s", err, doc)
	}
}

func printRules(t *testing.T, out *bytes.Buffer, rules policy.Update) {
	t.Helper()
	printKind(t, out, rules.Mesh)
	printKind(t, out, rules.Proxies)
	printKind(t, out, rules.Peers)
}

func printKind[R any](t *testing.T, out *bytes.Buffer, rules map[discovery.ObjectID]*R) {
	t.Helper()
	for _, id := range slices.SortedFunc(maps.Keys(rules), discovery.ObjectID.Compare) {
		if rules[id] == nil {
			fmt.Fprintf(out, "%s: gone\n", id)
			continue
		}
		text, err := yamlv3.Marshal(map[string]any{id.String(): rules[id]})
		if err != nil {
			t.Fatal(err)
		}
		out.Write(text)
	}
}

func printProblems(out *bytes.Buffer, problems compile.Problems) {
	for _, id := range slices.SortedFunc(maps.Keys(problems), discovery.ObjectID.Compare) {
		if len(problems[id]) == 0 {
			fmt.Fprintf(out, "clean: %s\n", id)
		}
		for _, problem := range problems[id] {
			fmt.Fprintf(out, "%s %s: %s\n", map[bool]string{false: "error", true: "warning"}[problem.Warning], problem.Reason, problem)
		}
	}
}

// TestOrderOfArrivalDecidesNothing gives the same objects in two orders, one by one, and compares what is in use.
func TestOrderOfArrivalDecidesNothing(t *testing.T) {
	names := []string{"b", "a", "c"}
	var first map[discovery.ObjectID][]discovery.Problem
	for range 2 {
		compiler, err := compile.New(compile.Config{TrustDomain: "cluster.local"})
		if err != nil {
			t.Fatal(err)
		}
		final := make(map[discovery.ObjectID][]discovery.Problem)
		for _, name := range names {
			id := discovery.ObjectID{Kind: v1alpha1.KindAuthenticationPolicy, Namespace: "shop", Name: name}
			object := &v1alpha1.AuthenticationPolicy{}
			object.Namespace, object.Name = "shop", name
			object.Spec.Peer.Mode = v1alpha1.MTLSStrict
			_, problems := compiler.Apply(compile.Objects{
				AuthenticationPolicies: map[discovery.ObjectID]*v1alpha1.AuthenticationPolicy{id: object},
			})
			maps.Copy(final, problems)
		}
		maps.DeleteFunc(final, func(_ discovery.ObjectID, found []discovery.Problem) bool { return len(found) == 0 })
		if first == nil {
			first = final
			slices.Sort(names)
			continue
		}
		if len(final) != 2 || !maps.EqualFunc(first, final, func(a, b []discovery.Problem) bool {
			return slices.EqualFunc(a, b, func(x, y discovery.Problem) bool { return cmp.Compare(x.String(), y.String()) == 0 })
		}) {
			t.Errorf("problems differ:\n%v\n%v", first, final)
		}
	}
}

func TestNewNeedsATrustDomain(t *testing.T) {
	if _, err := compile.New(compile.Config{}); err == nil {
		t.Error("no error")
	}
}
