package file

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"outrigger.dev/outrigger/api/v1alpha1"
	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/discovery/internal/table"
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
		reader := newView()
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			name := rapid.SampledFrom([]string{"f.yaml", "g.yaml", "h.yaml"}).Draw(t, "file")
			next := parse(name, []byte("# content\n"+drawFile(t)), files[name])
			if !next.bad() {
				files[name] = next
				m.replace(name, next.objects)
				m.report(name, next.problems)
			}
			if rapid.Bool().Draw(t, "receive") {
				reader.receive(t, m)
			}
		}
		reader.receive(t, m)
		fresh := newMesh(source)
		for _, name := range slices.Sorted(maps.Keys(files)) {
			fresh.replace(name, files[name].objects)
			fresh.report(name, files[name].problems)
		}
		fresh.settle()
		reader.compare(t, m, fresh)
	})
}

// view is what a reader has that just adds up what it is sent.
type view struct {
	services  map[discovery.ServiceID]*discovery.Service
	endpoints map[discovery.ShardID]*discovery.EndpointSet
	workloads map[discovery.WorkloadID]*discovery.Workload
	peers     map[discovery.ObjectID]*v1alpha1.AuthenticationPolicy
	problems  map[string][]discovery.Problem
}

func newView() *view {
	return &view{
		services:  make(map[discovery.ServiceID]*discovery.Service),
		endpoints: make(map[discovery.ShardID]*discovery.EndpointSet),
		workloads: make(map[discovery.WorkloadID]*discovery.Workload),
		peers:     make(map[discovery.ObjectID]*v1alpha1.AuthenticationPolicy),
		problems:  make(map[string][]discovery.Problem),
	}
}

// receive sends the reader what is pending.
func (v *view) receive(t *rapid.T, m *mesh) {
	m.settle()
	update := m.pending()
	apply(t, v.services, update.Services, (*discovery.Service).Equal)
	apply(t, v.endpoints, update.Endpoints, (*discovery.EndpointSet).Equal)
	apply(t, v.workloads, update.Workloads, (*discovery.Workload).Equal)
	apply(t, v.peers, update.Policies.AuthenticationPolicies, samePeers)
	for file, problems := range update.Files {
		if v.problems[file] = problems; len(problems) == 0 {
			delete(v.problems, file)
		}
	}
	m.commit()
	if again := m.pending(); !again.empty() {
		t.Fatalf("after a commit something is pending: %+v", again)
	}
}

func samePeers(a, b *v1alpha1.AuthenticationPolicy) bool {
	if a == nil || b == nil {
		return a == b
	}
	return reflect.DeepEqual(a.Spec, b.Spec)
}

func apply[K comparable, V any](t *rapid.T, reader, update map[K]*V, equal func(a, b *V) bool) {
	for key, value := range update {
		if equal(value, reader[key]) {
			t.Fatalf("%v was sent and did not change", key)
		}
		if reader[key] = value; value == nil {
			delete(reader, key)
		}
	}
}

// compare takes a mesh that was received to its end, its reader, and a fresh mesh that was not.
func (v *view) compare(t *rapid.T, m, fresh *mesh) {
	want := fresh.pending()
	same(t, v.services, want.Services, m.services, (*discovery.Service).Equal)
	same(t, v.endpoints, want.Endpoints, m.endpoints, (*discovery.EndpointSet).Equal)
	same(t, v.workloads, want.Workloads, m.workloads, (*discovery.Workload).Equal)
	same(t, v.peers, want.Policies.AuthenticationPolicies, m.peers, samePeers)
	same(t, v.problems, want.Files, m.problems, slices.Equal[[]discovery.Problem])
}

// same compares what was received with a fresh mesh, then what the mesh has with it: nothing is pending, so it has no other keys.
func same[K comparable, V any](t *rapid.T, got, want map[K]V, has *table.Table[K, V], equal func(a, b V) bool) {
	if !maps.EqualFunc(got, want, equal) {
		t.Fatalf("received:\n%+v\nfresh:\n%+v", got, want)
	}
	for key, value := range want {
		if !equal(has.Get(key), value) {
			t.Fatalf("incremental:\n%+v\nfresh:\n%+v", has.Get(key), value)
		}
	}
}
