package file

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"outrigger.dev/outrigger/discovery"
)

// drawFile makes the content of a file: few names, so that files take each other's objects, addresses and workloads.
func drawFile(t *rapid.T) string {
	return strings.Join(rapid.SliceOfN(rapid.Custom(drawObject), 0, 4).Draw(t, "objects"), "---\n")
}

func drawObject(t *rapid.T) string {
	name := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "name")
	namespace := rapid.SampledFrom([]string{"x", "y"}).Draw(t, "namespace")
	app := rapid.SampledFrom([]string{"one", "two"}).Draw(t, "app")
	digit := rapid.IntRange(1, 3).Draw(t, "digit")
	switch rapid.IntRange(0, 3).Draw(t, "kind") {
	case 0:
		target := rapid.SampledFrom([]string{"8080", "web"}).Draw(t, "target")
		return fmt.Sprintf("apiVersion: v1\nkind: Service\nmetadata: {name: %s, namespace: %s}\n"+
			"spec: {clusterIP: 10.96.0.%d, selector: {app: %s}, ports: [{port: 80, targetPort: %s}]}\n", name, namespace, digit, app, target)
	case 1:
		return fmt.Sprintf("apiVersion: outrigger.dev/v1alpha1\nkind: AuthenticationPolicy\nmetadata: {name: %s, namespace: %s}\n"+
			"spec: {peer: {mode: Strict, ports: [{port: %d, mode: Disabled}]}}\n", name, namespace, digit)
	}
	return fmt.Sprintf("apiVersion: outrigger.dev/v1alpha1\nkind: Workload\nmetadata: {name: %s, namespace: %s, labels: {app: %s, tier: t}}\n"+
		"spec: {addresses: [10.0.0.%d], ports: [{name: web, port: 808%d}]}\n", name, namespace, app, digit, digit)
}

// TestIncrementalEqualsFresh replaces files at random and compares the mesh with a fresh one that was given the
// last contents, and what was sent, added up, with what there is.
func TestIncrementalEqualsFresh(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		source := discovery.SourceID{Kind: "file", Name: "test"}
		m := newMesh(source)
		files := make(map[string]*parsed)
		reader := newMesh(source)
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			name := rapid.SampledFrom([]string{"f.yaml", "g.yaml", "h.yaml"}).Draw(t, "file")
			next := parse(name, []byte("# content\n"+drawFile(t)), files[name])
			if !next.bad() {
				files[name] = next
				m.replace(name, next.objects)
				m.report(name, next.problems)
			}
			if rapid.Bool().Draw(t, "receive") {
				receive(t, m, reader)
			}
		}
		receive(t, m, reader)
		fresh := newMesh(source)
		for _, name := range slices.Sorted(maps.Keys(files)) {
			fresh.replace(name, files[name].objects)
			fresh.report(name, files[name].problems)
		}
		fresh.settle()
		compare(t, "incremental", m, fresh)
		compare(t, "received", reader, fresh)
	})
}

// receive sends what is pending to a reader that just adds up.
func receive(t *rapid.T, m, reader *mesh) {
	m.settle()
	update := m.pending()
	apply(t, reader.services, update.Services)
	apply(t, reader.endpoints, update.Endpoints)
	apply(t, reader.workloads, update.Workloads)
	apply(t, reader.peers, update.Policies.AuthenticationPolicies)
	for file, problems := range update.Files {
		if reader.problems.now[file] = problems; len(problems) == 0 {
			delete(reader.problems.now, file)
		}
	}
	m.commit()
	if again := m.pending(); !again.empty() {
		t.Fatalf("after a commit something is pending: %+v", again)
	}
}

func apply[K comparable, V any](t *rapid.T, reader *table[K, *V], update map[K]*V) {
	for key, value := range update {
		before := reader.now[key]
		if value == nil && before == nil || value != nil && before != nil && reader.equal(value, before) {
			t.Fatalf("%v was sent and did not change", key)
		}
		if value == nil {
			delete(reader.now, key)
			continue
		}
		reader.now[key] = value
	}
}

func compare(t *rapid.T, what string, got, want *mesh) {
	same(t, what, got.services, want.services)
	same(t, what, got.endpoints, want.endpoints)
	same(t, what, got.workloads, want.workloads)
	same(t, what, got.peers, want.peers)
	same(t, what, got.problems, want.problems)
}

func same[K comparable, V any](t *rapid.T, what string, got, want *table[K, V]) {
	if !maps.EqualFunc(got.now, want.now, want.equal) {
		t.Fatalf("%s:\n%+v\nfresh:\n%+v", what, got.now, want.now)
	}
}
