package kube

import (
	"maps"
	"slices"
	"strings"
)

// internLimit is how many values a generation holds.
const internLimit = 1 << 16

// generations share equal values. What was not asked for during a whole
// generation is forgotten, so that names which come and go do not pile up.
type generations[V any] struct {
	young, old map[string]V
}

func (g *generations[V]) get(key string, create func() V) V {
	if value, ok := g.young[key]; ok {
		return value
	}
	value, ok := g.old[key]
	if !ok {
		value = create()
	}
	if g.young == nil || len(g.young) >= internLimit {
		g.old, g.young = g.young, make(map[string]V)
	}
	g.young[key] = value
	return value
}

// interner makes equal strings and equal sets of labels share memory: pods of
// one deployment differ in little. It belongs to one goroutine.
type interner struct {
	strings generations[string]
	labels  generations[map[string]string]
}

// string returns a string equal to s that keeps no larger memory alive.
func (in *interner) string(s string) string {
	if s == "" {
		return ""
	}
	return in.strings.get(s, func() string { return strings.Clone(s) })
}

// labelsOf returns labels equal to these, which nobody may change.
func (in *interner) labelsOf(labels map[string]string) map[string]string {
	if len(labels) == 0 {
		return nil
	}
	var key strings.Builder
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		key.WriteString(name)
		key.WriteByte(0)
		key.WriteString(labels[name])
		key.WriteByte(0)
	}
	return in.labels.get(key.String(), func() map[string]string {
		shared := make(map[string]string, len(labels))
		for name, value := range labels {
			shared[in.string(name)] = in.string(value)
		}
		return shared
	})
}
