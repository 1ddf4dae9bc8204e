package build

import (
	"cmp"
	"slices"
	"strings"

	"outrigger.dev/outrigger/discovery"
)

// bySource holds what several sources say of one key, sorted by source: the first one counts,
// or is the first of many. Order of arrival never decides.
type bySource[V any] []sourced[V]

type sourced[V any] struct {
	source discovery.SourceID
	value  *V
}

// put replaces what a source says; nil takes it away.
func (l *bySource[V]) put(source discovery.SourceID, value *V) {
	i, found := slices.BinarySearchFunc(*l, source, func(s sourced[V], id discovery.SourceID) int {
		return compareSources(s.source, id)
	})
	switch {
	case found && value != nil:
		(*l)[i].value = value
	case found:
		*l = slices.Delete(*l, i, i+1)
	case value != nil:
		*l = slices.Insert(*l, i, sourced[V]{source, value})
	}
}

// get returns what a source says, or nil.
func (l bySource[V]) get(source discovery.SourceID) *V {
	for _, s := range l {
		if s.source == source {
			return s.value
		}
	}
	return nil
}

// first returns what counts, or nil.
func (l bySource[V]) first() *V {
	if len(l) == 0 {
		return nil
	}
	return l[0].value
}

func compareSources(a, b discovery.SourceID) int {
	return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.Name, b.Name))
}
