package build

import (
	"cmp"
	"slices"
	"strings"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/xds/cache"
	"outrigger.dev/outrigger/xds/translate"
)

// output is what one record has in a layer.
type output struct {
	from      origin
	resources []*cache.Resource
	problems  []discovery.Problem
}

// origin is what resources are marked with.
type origin struct {
	// object is what they were made from, owner the same as text, and group the service that scopes choose by.
	object discovery.ObjectID
	owner  string
	group  string
}

func newOrigin(object discovery.ObjectID, group string) origin {
	if object == (discovery.ObjectID{}) {
		return origin{group: group}
	}
	return origin{object: object, owner: object.String(), group: group}
}

// publish replaces an output. What has the same bytes and marks as before stays as it is.
func (b *Builder) publish(layer cache.LayerID, out *output, from origin, fresh ...translate.Resource) {
	var problems []discovery.Problem
	resources := make([]*cache.Resource, 0, len(fresh))
	for _, r := range fresh {
		resource, err := encode(r, from)
		if err != nil {
			problems = append(problems, discovery.Problem{Object: from.object, Reason: "Encoding", Message: err.Error()})
			continue
		}
		resources = append(resources, resource)
	}
	out.from = from
	out.resources = b.replace(layer, out.resources, resources)
	b.ledger.replace(&out.problems, problems)
}

// withdraw takes an output away.
func (b *Builder) withdraw(layer cache.LayerID, out *output) {
	b.publish(layer, out, origin{})
}

func encode(r translate.Resource, from origin) (*cache.Resource, error) {
	body, err := translate.Marshal(r)
	if err != nil {
		return nil, err
	}
	return cache.NewResource(cache.ResourceConfig{
		Type: r.Type, Name: r.Name, Body: body, Group: from.group, Owner: from.owner, Refs: r.Refs,
	}), nil
}

// replace notes the changes from the old resources to the new, and returns the new.
func (b *Builder) replace(layer cache.LayerID, old, now []*cache.Resource) []*cache.Resource {
	for i, r := range now {
		was := find(old, r)
		if r.Equal(was) {
			now[i] = was
			continue
		}
		b.changes = append(b.changes, cache.Change{Layer: layer, Ref: refOf(r), Resource: r})
	}
	for _, r := range old {
		if find(now, r) == nil {
			b.changes = append(b.changes, cache.Change{Layer: layer, Ref: refOf(r)})
		}
	}
	return now
}

func refOf(r *cache.Resource) cache.Ref { return cache.Ref{Type: r.Type(), Name: r.Name()} }

// find returns the resource of the same type and name, or nil.
func find(in []*cache.Resource, r *cache.Resource) *cache.Resource {
	for _, other := range in {
		if other.Type() == r.Type() && other.Name() == r.Name() {
			return other
		}
	}
	return nil
}

// ordered sorts changes by layer, type and name. Where a name went from one
// record to another, what it came to counts.
func ordered(changes []cache.Change) []cache.Change {
	slices.SortFunc(changes, func(x, y cache.Change) int {
		return cmp.Or(
			strings.Compare(string(x.Layer), string(y.Layer)),
			cmp.Compare(x.Ref.Type, y.Ref.Type),
			strings.Compare(x.Ref.Name, y.Ref.Name),
			cmp.Compare(removals(x), removals(y)),
		)
	})
	return slices.CompactFunc(changes, func(x, y cache.Change) bool { return x.Layer == y.Layer && x.Ref == y.Ref })
}

func removals(c cache.Change) int {
	if c.Resource == nil {
		return 1
	}
	return 0
}
