package serve

import (
	"cmp"
	"fmt"
	"slices"
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
type claimants[O any] map[discovery.ObjectID][]claim[O]

type claim[O any] struct {
	source discovery.SourceID
	object *O
}

// take returns what changes of what counts, and, where twice is not nil, says there what is given more than once.
func (c claimants[O]) take(
	source discovery.SourceID, said map[discovery.ObjectID]*O, twice map[discovery.ObjectID][]discovery.Problem,
) map[discovery.ObjectID]*O {
	changed := make(map[discovery.ObjectID]*O, len(said))
	for id, object := range said {
		before := c[id]
		now := claimedBySource(before, source, object)
		if c[id] = now; len(now) == 0 {
			delete(c, id)
		}
		if first(before) != first(now) {
			changed[id] = first(now)
		}
		if twice != nil && len(before)+len(now) > 2 {
			twice[id] = givenTwice(id, now)
		}
	}
	return changed
}

// claimedBySource returns the claims with what a source says in its place; nil is nothing.
func claimedBySource[O any](before []claim[O], source discovery.SourceID, object *O) []claim[O] {
	now := slices.DeleteFunc(slices.Clone(before), func(c claim[O]) bool { return c.source == source })
	if object != nil {
		now = append(now, claim[O]{source: source, object: object})
	}
	slices.SortFunc(now, func(a, b claim[O]) int {
		return cmp.Or(cmp.Compare(rankOf(a.source), rankOf(b.source)), strings.Compare(a.source.String(), b.source.String()))
	})
	return now
}

func rankOf(source discovery.SourceID) int {
	if source.Kind == kindPolicies {
		return 0
	}
	return 1
}

func first[O any](claims []claim[O]) *O {
	if len(claims) == 0 {
		return nil
	}
	return claims[0].object
}

// givenTwice names all who give an object; none when one does.
func givenTwice[O any](id discovery.ObjectID, claims []claim[O]) []discovery.Problem {
	if len(claims) < 2 {
		return nil
	}
	names := make([]string, len(claims))
	for i, c := range claims {
		names[i] = c.source.String()
	}
	return []discovery.Problem{{
		Object: id, Field: "metadata.name", Reason: "Duplicate", Warning: true,
		Message: fmt.Sprintf("is given by %s: the first counts, remove it from the others", strings.Join(names, " and ")),
	}}
}
