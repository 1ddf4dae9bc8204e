package serve

import (
	"cmp"
	"fmt"
	"strings"

	"outrigger.dev/outrigger/api/v1alpha1"
	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy/compile"
)

// claims holds the policy objects that each source gives. One that several give counts as the first of them has it,
// clusters before folders; it is gone only when none gives it any more, so that a policy which moves from a folder
// into a cluster is never missing.
type claims struct {
	meshes    claimants[v1alpha1.MeshConfig]
	proxies   claimants[v1alpha1.ProxyConfig]
	peers     claimants[v1alpha1.AuthenticationPolicy]
	locations claimants[string]
}

func newClaims() *claims {
	return &claims{
		meshes: claimants[v1alpha1.MeshConfig]{}, proxies: claimants[v1alpha1.ProxyConfig]{},
		peers: claimants[v1alpha1.AuthenticationPolicy]{}, locations: claimants[string]{},
	}
}

// take takes in what a source says. It returns what follows for the mesh, and which objects are given more than once.
func (c *claims) take(source discovery.SourceID, said compile.Objects) (compile.Objects, map[discovery.ObjectID][]discovery.Problem) {
	twice := map[discovery.ObjectID][]discovery.Problem{}
	return compile.Objects{
		MeshConfigs:            c.meshes.take(source, said.MeshConfigs, twice),
		ProxyConfigs:           c.proxies.take(source, said.ProxyConfigs, twice),
		AuthenticationPolicies: c.peers.take(source, said.AuthenticationPolicies, twice),
		Locations:              c.place(source, said.Locations),
	}, twice
}

// place takes in where objects stand; empty is nowhere.
func (c *claims) place(source discovery.SourceID, said map[discovery.ObjectID]string) map[discovery.ObjectID]string {
	changes := make(map[discovery.ObjectID]*string, len(said))
	for id, location := range said {
		changes[id] = nil
		if location != "" {
			changes[id] = &location
		}
	}
	places := make(map[discovery.ObjectID]string, len(changes))
	for id, location := range c.locations.take(source, changes, nil) {
		places[id] = ""
		if location != nil {
			places[id] = *location
		}
	}
	return places
}

// claimants holds the objects of one kind, each with the sources that give it, in their order.
type claimants[O any] map[discovery.ObjectID]discovery.BySource[O]

// take returns what changes of what counts, and, where twice is not nil, says there what is given more than once.
func (c claimants[O]) take(
	source discovery.SourceID, said map[discovery.ObjectID]*O, twice map[discovery.ObjectID][]discovery.Problem,
) map[discovery.ObjectID]*O {
	changed := make(map[discovery.ObjectID]*O, len(said))
	for id, object := range said {
		now := c[id]
		was, before := now.First(), len(now)
		now.Put(source, object, compareGivers)
		if c[id] = now; len(now) == 0 {
			delete(c, id)
		}
		if was != now.First() {
			changed[id] = now.First()
		}
		if twice != nil && before+len(now) > 2 {
			twice[id] = givenTwice(id, now)
		}
	}
	return changed
}

// compareGivers has clusters go before folders.
func compareGivers(a, b discovery.SourceID) int {
	return cmp.Or(cmp.Compare(rankOf(a), rankOf(b)), strings.Compare(a.String(), b.String()))
}

func rankOf(source discovery.SourceID) int {
	if source.Kind == kindPolicies {
		return 0
	}
	return 1
}

// givenTwice names all who give an object; none when one does.
func givenTwice[O any](id discovery.ObjectID, claims discovery.BySource[O]) []discovery.Problem {
	if len(claims) < 2 {
		return nil
	}
	names := make([]string, len(claims))
	for i, c := range claims {
		names[i] = c.Source.String()
	}
	return []discovery.Problem{{
		Object: id, Field: "metadata.name", Reason: "Duplicate", Warning: true,
		Message: fmt.Sprintf("is given by %s: the first counts, remove it from the others", strings.Join(names, " and ")),
	}}
}
