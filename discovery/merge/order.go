package merge

import (
	"cmp"
	"slices"
	"strings"

	"outrigger.dev/outrigger/discovery"
)

// The kinds of sources whose workloads have identities, and the kind that follows them.
const (
	kindKubernetes = "kubernetes"
	kindFile       = "file"
	kindConsul     = "consul"
)

// rank says how early a kind of sources counts.
func rank(kind string) int {
	switch kind {
	case kindKubernetes:
		return 0
	case kindFile:
		return 1
	case kindConsul:
		return 2
	}
	return 3
}

// identifies reports whether the workloads of a source have identities.
func identifies(source discovery.SourceID) bool { return rank(source.Kind) < rank(kindConsul) }

// compareSources is the order in which sources count.
func compareSources(a, b discovery.SourceID) int {
	return cmp.Or(cmp.Compare(rank(a.Kind), rank(b.Kind)), strings.Compare(a.Kind, b.Kind), strings.Compare(a.Name, b.Name))
}

// bySource holds what several sources say of one key, in their order.
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
