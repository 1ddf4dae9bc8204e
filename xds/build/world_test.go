package build

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/xds/cache"
)

// world is what a Builder has said, put together.
type world struct {
	resources map[place]*cache.Resource
	nodes     map[string]*cache.ViewSpec
	problems  map[discovery.ObjectID][]discovery.Problem
}

type place struct {
	layer cache.LayerID
	ref   cache.Ref
}

func newWorld() *world {
	return &world{
		resources: map[place]*cache.Resource{}, nodes: map[string]*cache.ViewSpec{},
		problems: map[discovery.ObjectID][]discovery.Problem{},
	}
}

func (w *world) clone() *world {
	return &world{resources: maps.Clone(w.resources), nodes: maps.Clone(w.nodes), problems: maps.Clone(w.problems)}
}

// apply puts changes in, and complains of those that change nothing or stand out of order.
func (w *world) apply(c Changes) error {
	if !slices.IsSortedFunc(c.Resources, comparePlaces) {
		return fmt.Errorf("changes are not sorted: %v", c.Resources)
	}
	for i, r := range c.Resources {
		if i > 0 && comparePlaces(c.Resources[i-1], r) == 0 {
			return fmt.Errorf("%s %v is changed twice", r.Layer, r.Ref)
		}
		p := place{r.Layer, r.Ref}
		if r.Resource.Equal(w.resources[p]) {
			return fmt.Errorf("%s %v is no change", r.Layer, r.Ref)
		}
		put(w.resources, p, r.Resource, r.Resource == nil)
	}
	for node, view := range c.Nodes {
		if sameView(view, w.nodes[node]) {
			return fmt.Errorf("view of %s is no change", node)
		}
		put(w.nodes, node, view, view == nil)
	}
	for object, problems := range c.Problems {
		if slices.Equal(problems, w.problems[object]) {
			return fmt.Errorf("problems of %s are no change", object)
		}
		put(w.problems, object, problems, len(problems) == 0)
	}
	return nil
}

func put[K comparable, V any](in map[K]V, key K, value V, gone bool) {
	if gone {
		delete(in, key)
		return
	}
	in[key] = value
}

func comparePlaces(a, b cache.Change) int {
	return cmp.Or(strings.Compare(string(a.Layer), string(b.Layer)),
		cmp.Compare(a.Ref.Type, b.Ref.Type), strings.Compare(a.Ref.Name, b.Ref.Name))
}

// differences says in what the world is not as it should be.
func (w *world) differences(want *world) []string {
	var out []string
	for p, r := range w.resources {
		if !equalResources(r, want.resources[p]) {
			out = append(out, fmt.Sprintf("%s %v is %s, should be %s", p.layer, p.ref, describe(r), describe(want.resources[p])))
		}
	}
	for p, r := range want.resources {
		if w.resources[p] == nil {
			out = append(out, fmt.Sprintf("%s %v is missing, should be %s", p.layer, p.ref, describe(r)))
		}
	}
	for _, node := range slices.Sorted(maps.Keys(joined(w.nodes, want.nodes))) {
		if !sameView(w.nodes[node], want.nodes[node]) {
			out = append(out, fmt.Sprintf("view of %s is %v, should be %v", node, w.nodes[node], want.nodes[node]))
		}
	}
	for object := range joined(w.problems, want.problems) {
		if !slices.Equal(w.problems[object], want.problems[object]) {
			out = append(out, fmt.Sprintf("problems of %s are %v, should be %v", object, w.problems[object], want.problems[object]))
		}
	}
	slices.Sort(out)
	return out
}

func equalResources(a, b *cache.Resource) bool {
	return a.Equal(b) && bytes.Equal(a.Chunk(), b.Chunk()) && slices.Equal(a.Refs(), b.Refs())
}

func describe(r *cache.Resource) string {
	if r == nil {
		return "missing"
	}
	return fmt.Sprintf("%s of group %q and owner %q", r.Version(), r.Group(), r.Owner())
}

func joined[K comparable, V any](a, b map[K]V) map[K]V {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
