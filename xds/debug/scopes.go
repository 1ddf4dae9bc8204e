package debug

import (
	"slices"
	"strings"

	"outrigger.dev/outrigger/xds/cache"
)

// scopesOf puts views with the same scope together.
func scopesOf(infos []cache.ViewInfo) []Scope {
	byKey := map[string]*Scope{}
	for _, info := range infos {
		key := info.Spec.Scope.Key()
		scope := byKey[key]
		if scope == nil {
			scope = &Scope{Key: key, Resources: counts(info.Snapshot)}
			byKey[key] = scope
		}
		scope.Nodes = append(scope.Nodes, info.Nodes...)
		// Views of one scope differ by what belongs to their classes only: show the largest.
		for typ, n := range counts(info.Snapshot) {
			scope.Resources[typ] = max(scope.Resources[typ], n)
		}
	}
	scopes := make([]Scope, 0, len(byKey))
	for _, scope := range byKey {
		slices.Sort(scope.Nodes)
		scopes = append(scopes, *scope)
	}
	slices.SortFunc(scopes, func(a, b Scope) int { return strings.Compare(a.Key, b.Key) })
	return scopes
}

func counts(snapshot *cache.Snapshot) map[string]int {
	out := map[string]int{}
	for t := range cache.NumTypes {
		if n := snapshot.Len(cache.Type(t)); n > 0 {
			out[cache.Type(t).String()] = n
		}
	}
	return out
}
