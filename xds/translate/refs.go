package translate

import (
	"cmp"
	"slices"
	"strings"

	"outrigger.dev/outrigger/xds/cache"
)

// refs sorts what a resource names and drops what is named twice.
func refs(named ...cache.Ref) []cache.Ref {
	slices.SortFunc(named, func(a, b cache.Ref) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), strings.Compare(a.Name, b.Name))
	})
	return slices.Compact(named)
}

func clusterRef(name string) cache.Ref { return cache.Ref{Type: cache.Cluster, Name: name} }

func routeRef(name string) cache.Ref { return cache.Ref{Type: cache.Route, Name: name} }

// secretRefs are what every TLS context of the mesh names.
func secretRefs() []cache.Ref {
	return []cache.Ref{{Type: cache.Secret, Name: SecretIdentity}, {Type: cache.Secret, Name: SecretRoots}}
}
