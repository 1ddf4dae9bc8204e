package cache

import (
	"slices"
	"strings"
)

// Scope says which groups of resources a view holds; resources without a group
// are in every scope. A scope is compared by its key: build it with NewScope or use All.
type Scope struct {
	key        string
	namespaces map[string]struct{}
	groups     map[string]struct{}
}

// All is the scope that holds everything.
var All = Scope{key: "*"}

// NewScope returns the scope of single groups ("<namespace>/<service>") and of whole
// namespaces. Two scopes of the same members are the same, whatever their order.
func NewScope(namespaces, groups []string) Scope {
	namespaces, groups = sortedUnique(namespaces), sortedUnique(groups)
	s := Scope{
		key:        strings.Join(namespaces, ",") + "|" + strings.Join(groups, ","),
		namespaces: make(map[string]struct{}, len(namespaces)),
		groups:     make(map[string]struct{}, len(groups)),
	}
	for _, n := range namespaces {
		s.namespaces[n] = struct{}{}
	}
	for _, g := range groups {
		s.groups[g] = struct{}{}
	}
	return s
}

func sortedUnique(in []string) []string {
	out := slices.Clone(in)
	slices.Sort(out)
	return slices.Compact(out)
}

// Key identifies the scope: "*", or its namespaces and groups in order.
func (s Scope) Key() string { return s.key }

// IsAll reports whether the scope holds everything.
func (s Scope) IsAll() bool { return s.key == All.key }

// Contains reports whether resources of the group are in the scope.
func (s Scope) Contains(group string) bool {
	if group == "" || s.IsAll() {
		return true
	}
	if _, ok := s.groups[group]; ok {
		return true
	}
	_, ok := s.namespaces[namespaceOf(group)]
	return ok
}

func namespaceOf(group string) string {
	namespace, _, _ := strings.Cut(group, "/")
	return namespace
}
