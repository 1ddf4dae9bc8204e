package debug

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/anypb"

	"outrigger.dev/outrigger/xds/cache"
)

// Resource is one visible resource of a view.
type Resource struct {
	Type    string `json:"type"`
	Name    string `json:"name"`
	Version string `json:"version"`
	// Owner is the object of the user's that it was made from; Group is what scopes choose by.
	Owner string `json:"owner,omitempty"`
	Group string `json:"group,omitempty"`
	Bytes int    `json:"bytes"`
	// Body is the message, in the JSON form of protobuf.
	Body json.RawMessage `json:"body,omitempty"`
}

// resourceFilter chooses what a dump holds; empty fields choose everything.
type resourceFilter struct {
	typ, name string
	bodies    bool
}

func (f resourceFilter) has(r *cache.Resource) bool {
	return (f.typ == "" || f.typ == r.Type().String()) && (f.name == "" || f.name == r.Name())
}

func dumpView(info cache.ViewInfo, filter resourceFilter) (View, error) {
	view := View{
		Layers: layerNames(info.Spec), Scope: info.Spec.Scope.Key(), Nodes: info.Nodes,
		Streams: info.Streams, Revision: uint64(info.Snapshot.Rev()), Resources: []Resource{},
	}
	for t := range cache.NumTypes {
		for _, r := range visible(info.Snapshot, cache.Type(t)) {
			if !filter.has(r) {
				continue
			}
			dumped, err := dumpResource(r, filter.bodies)
			if err != nil {
				return View{}, err
			}
			view.Resources = append(view.Resources, dumped)
		}
	}
	return view, nil
}

// visible returns the resources of a type, sorted by name.
func visible(snapshot *cache.Snapshot, t cache.Type) []*cache.Resource {
	var list []*cache.Resource
	snapshot.All(t, func(r *cache.Resource) bool {
		list = append(list, r)
		return true
	})
	slices.SortFunc(list, func(a, b *cache.Resource) int { return strings.Compare(a.Name(), b.Name()) })
	return list
}

func dumpResource(r *cache.Resource, body bool) (Resource, error) {
	dumped := Resource{
		Type: r.Type().String(), Name: r.Name(), Version: r.Version(), Owner: r.Owner(), Group: r.Group(), Bytes: len(r.Body()),
	}
	// Secrets are in no view; should one ever be, its content stays here.
	if !body || r.Type() == cache.Secret {
		return dumped, nil
	}
	text, err := protojson.Marshal(anyOf(r))
	if err != nil {
		return Resource{}, fmt.Errorf("print %s %s: %w", r.Type(), r.Name(), err)
	}
	dumped.Body = text
	return dumped, nil
}

func anyOf(r *cache.Resource) *anypb.Any {
	return &anypb.Any{TypeUrl: r.Type().URL(), Value: r.Body()}
}

func layerNames(spec cache.ViewSpec) []string {
	names := make([]string, len(spec.Layers))
	for i, layer := range spec.Layers {
		names[i] = string(layer)
	}
	return names
}
