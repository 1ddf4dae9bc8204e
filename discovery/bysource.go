package discovery

import "slices"

// BySource holds what several sources say of one key, in an order of the sources: whoever comes first counts, or is the
// first of many. Order of arrival never decides.
type BySource[V any] []Sourced[V]

// Sourced is what one source says.
type Sourced[V any] struct {
	Source SourceID
	Value  *V
}

// Put replaces what a source says; nil takes it away. The order must always be the same.
func (l *BySource[V]) Put(source SourceID, value *V, order func(a, b SourceID) int) {
	i, found := slices.BinarySearchFunc(*l, source, func(s Sourced[V], id SourceID) int { return order(s.Source, id) })
	switch {
	case found && value != nil:
		(*l)[i].Value = value
	case found:
		*l = slices.Delete(*l, i, i+1)
	case value != nil:
		*l = slices.Insert(*l, i, Sourced[V]{source, value})
	}
}

// Get returns what a source says, or nil.
func (l BySource[V]) Get(source SourceID) *V {
	for _, s := range l {
		if s.Source == source {
			return s.Value
		}
	}
	return nil
}

// First returns what counts, or nil.
func (l BySource[V]) First() *V {
	if len(l) == 0 {
		return nil
	}
	return l[0].Value
}
