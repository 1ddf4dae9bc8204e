package hold

import (
	"maps"
	"slices"
	"time"

	"outrigger.dev/outrigger/api/v1alpha1"
	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy/compile"
)

// savedPolicies are the policy objects of one source.
type savedPolicies struct {
	Kind      string    `json:"kind"`
	Name      string    `json:"name"`
	GoodUntil time.Time `json:"goodUntil"`

	MeshConfigs            []savedObject[v1alpha1.MeshConfig]           `json:"meshConfigs,omitempty"`
	ProxyConfigs           []savedObject[v1alpha1.ProxyConfig]          `json:"proxyConfigs,omitempty"`
	AuthenticationPolicies []savedObject[v1alpha1.AuthenticationPolicy] `json:"authenticationPolicies,omitempty"`
}

func (s *savedPolicies) id() discovery.SourceID {
	return discovery.SourceID{Kind: s.Kind, Name: s.Name}
}

// savedObject is a policy object under the id that it goes by.
type savedObject[V any] struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	Object    *V     `json:"object"`
}

func savePolicies(id discovery.SourceID, goodUntil time.Time, o compile.Objects) savedPolicies {
	return savedPolicies{
		Kind: id.Kind, Name: id.Name, GoodUntil: goodUntil.UTC(),
		MeshConfigs:            saveObjects(o.MeshConfigs),
		ProxyConfigs:           saveObjects(o.ProxyConfigs),
		AuthenticationPolicies: saveObjects(o.AuthenticationPolicies),
	}
}

func (s *savedPolicies) restore() compile.Objects {
	return compile.Objects{
		MeshConfigs:            restoreObjects(s.MeshConfigs),
		ProxyConfigs:           restoreObjects(s.ProxyConfigs),
		AuthenticationPolicies: restoreObjects(s.AuthenticationPolicies),
	}
}

func saveObjects[V any](objects map[discovery.ObjectID]*V) []savedObject[V] {
	var saved []savedObject[V]
	for _, id := range slices.SortedFunc(maps.Keys(objects), discovery.ObjectID.Compare) {
		saved = append(saved, savedObject[V]{Kind: id.Kind, Namespace: id.Namespace, Name: id.Name, Object: objects[id]})
	}
	return saved
}

func restoreObjects[V any](saved []savedObject[V]) map[discovery.ObjectID]*V {
	objects := make(map[discovery.ObjectID]*V, len(saved))
	for _, o := range saved {
		if o.Object != nil {
			objects[discovery.ObjectID{Kind: o.Kind, Namespace: o.Namespace, Name: o.Name}] = o.Object
		}
	}
	return objects
}
