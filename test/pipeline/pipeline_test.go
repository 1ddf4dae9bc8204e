package pipeline_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/discovery/file"
	"outrigger.dev/outrigger/policy"
	"outrigger.dev/outrigger/policy/compile"
	"outrigger.dev/outrigger/test/golden"
	"outrigger.dev/outrigger/test/validate"
	"outrigger.dev/outrigger/xds/build"
	"outrigger.dev/outrigger/xds/cache"
)

const trustDomain = "cluster.local"

// typeFiles are the names of golden files by what is in them.
var typeFiles = map[cache.Type]string{
	cache.Cluster: "clusters.yaml", cache.Endpoints: "endpoints.yaml", cache.Listener: "listeners.yaml", cache.Route: "routes.yaml",
}

func TestPipeline(t *testing.T) {
	golden.Folders(t, "testdata/in", "testdata/out", func(t *testing.T, dir string) map[string][]byte {
		t.Helper()
		line := load(t, dir)
		files := map[string][]byte{
			"model.yaml": line.printModel(t), "rules.yaml": line.printRules(t),
			"views.yaml": line.printViews(), "problems.yaml": line.printProblems(),
		}
		maps.Copy(files, line.printResources(t))
		line.validate(t)
		return files
	})
}

// line is what the stages made of one folder.
type line struct {
	model    file.Update
	rules    policy.Update
	changes  build.Changes
	store    *cache.Store
	problems []discovery.Problem
}

// load takes a folder through all stages.
func load(t *testing.T, dir string) *line {
	t.Helper()
	l := &line{store: cache.NewStore()}
	var err error
	if l.model, l.problems, err = file.Load(dir); err != nil {
		t.Fatal(err)
	}
	compiler, err := compile.New(compile.Config{TrustDomain: trustDomain})
	if err != nil {
		t.Fatal(err)
	}
	rules, refused := compiler.Apply(compile.Objects(l.model.Policies))
	l.rules = rules
	l.changes = build.New(build.Config{TrustDomain: trustDomain}).Apply(build.Batch{
		Updates: []discovery.Update{l.model.Update}, Rules: []policy.Update{rules},
	})
	for _, found := range []map[discovery.ObjectID][]discovery.Problem{refused, l.changes.Problems} {
		for _, id := range slices.SortedFunc(maps.Keys(found), discovery.ObjectID.Compare) {
			l.problems = append(l.problems, found[id]...)
		}
	}
	l.store.Publish(cache.Publication{Changes: l.changes.Resources, Nodes: l.changes.Nodes})
	return l
}

// printModel prints what the source gives to the builder.
func (l *line) printModel(t *testing.T) []byte {
	t.Helper()
	return golden.Write(t, struct {
		Services  []*discovery.Service
		Endpoints []*discovery.EndpointSet
		Workloads []*discovery.Workload
	}{
		Services: sorted(l.model.Services, discovery.ServiceID.Compare),
		Endpoints: sorted(l.model.Endpoints, func(a, b discovery.ShardID) int {
			return a.Service.Compare(b.Service)
		}),
		Workloads: sorted(l.model.Workloads, discovery.WorkloadID.Compare),
	})
}

// printRules prints what the compiler gives to the builder.
func (l *line) printRules(t *testing.T) []byte {
	t.Helper()
	return golden.Write(t, struct {
		Mesh    []*policy.MeshRule
		Proxies []*policy.ProxyRule
		Peers   []*policy.PeerRule
	}{
		Mesh:    sorted(l.rules.Mesh, discovery.ObjectID.Compare),
		Proxies: sorted(l.rules.Proxies, discovery.ObjectID.Compare),
		Peers:   sorted(l.rules.Peers, discovery.ObjectID.Compare),
	})
}

// printViews prints which layers each node sees, and which services of them.
func (l *line) printViews() []byte {
	labels := l.labels()
	var text strings.Builder
	for _, node := range l.nodes() {
		view := l.changes.Nodes[node]
		fmt.Fprintf(&text, "%s:\n  scope: %q\n  layers:\n", node, view.Scope.Key())
		for _, layer := range view.Layers {
			fmt.Fprintf(&text, "  - %s\n", labels[layer])
		}
	}
	return []byte(text.String())
}

// printProblems prints what is wrong, stage after stage.
func (l *line) printProblems() []byte {
	var text strings.Builder
	for _, p := range l.problems {
		severity := "error"
		if p.Warning {
			severity = "warning"
		}
		fmt.Fprintf(&text, "- %s %s: %q\n", severity, p.Reason, p.String())
	}
	return []byte(text.String())
}

// printResources prints the resources of each layer by type.
func (l *line) printResources(t *testing.T) map[string][]byte {
	t.Helper()
	labels := l.labels()
	files := map[string][]byte{}
	for _, change := range l.changes.Resources {
		key := strings.ReplaceAll(labels[change.Layer], "/", ".") + "." + typeFiles[change.Ref.Type]
		files[key] = append(files[key], document(t, change.Resource)...)
	}
	return files
}

// validate has Envoy look at what each node sees. What it accepts of one, it accepts of another with the same view.
func (l *line) validate(t *testing.T) {
	t.Helper()
	for _, view := range l.store.Views() {
		var messages []proto.Message
		for typ := range cache.Type(cache.NumTypes) {
			view.Snapshot.All(typ, func(r *cache.Resource) bool {
				messages = append(messages, messageOf(t, r))
				return true
			})
		}
		if err := validate.Resources(t.Context(), view.Nodes[0], messages); err != nil {
			t.Errorf("%s: %v", view.Nodes, err)
		}
	}
}

// nodes returns the nodes that see anything, in order.
func (l *line) nodes() []string { return slices.Sorted(maps.Keys(l.changes.Nodes)) }

// labels names layers in a way that does not change with their content: those of classes after the first node that has them.
func (l *line) labels() map[cache.LayerID]string {
	labels := map[cache.LayerID]string{build.MeshLayer: "mesh", build.CaptureLayer: "capture"}
	for _, node := range l.nodes() {
		for _, layer := range l.changes.Nodes[node].Layers {
			if _, ok := labels[layer]; !ok {
				labels[layer] = "class/" + node
			}
		}
	}
	return labels
}

// sorted returns the values of a map in the order of its keys.
func sorted[K comparable, V any](values map[K]V, order func(a, b K) int) []V {
	var out []V
	for _, key := range slices.SortedFunc(maps.Keys(values), order) {
		out = append(out, values[key])
	}
	return out
}
