package policy

import (
	"cmp"
	"slices"
	"strings"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy/ir"
)

// groupKey is what the endpoints of one group share.
type groupKey struct {
	priority uint32
	locality discovery.Locality
	mesh     bool
}

func (k groupKey) compare(other groupKey) int {
	if k.priority != other.priority {
		return cmp.Compare(k.priority, other.priority)
	}
	if k.locality != other.locality {
		return compareLocality(k.locality, other.locality)
	}
	return cmp.Compare(boolRank(k.mesh), boolRank(other.mesh))
}

func boolRank(b bool) int {
	if b {
		return 1
	}
	return 0
}

func compareLocality(a, b discovery.Locality) int {
	return cmp.Or(strings.Compare(a.Region, b.Region), strings.Compare(a.Zone, b.Zone), strings.Compare(a.SubZone, b.SubZone))
}

// group counts the endpoints of one key, then says where the next of them goes.
type group struct {
	key  groupKey
	size int
	next int
}

// ResolveEndpoints groups the endpoints of a service's port, which are sorted by address and hold no address
// twice, by locality and by whether they are spoken to by mesh mTLS. It keeps endpoints' slices but not endpoints.
func ResolveEndpoints(
	svc discovery.ServiceID, port uint16, endpoints []discovery.Endpoint, peerOf func(*discovery.Endpoint) Peer,
) *ir.Endpoints {
	return groupEndpoints(svc, port, endpoints, func(e *discovery.Endpoint) groupKey {
		return groupKey{locality: e.Locality, mesh: peerOf(e).Mesh}
	})
}

func groupEndpoints(
	svc discovery.ServiceID, port uint16, endpoints []discovery.Endpoint, keyOf func(*discovery.Endpoint) groupKey,
) *ir.Endpoints {
	out := &ir.Endpoints{Service: svc, Port: port}
	if len(endpoints) == 0 {
		return out
	}
	var few [4]group
	groups := few[:0]
	var some [32]uint16
	of := some[:0]
	for i := range endpoints {
		e := &endpoints[i]
		var index int
		groups, index = count(groups, keyOf(e))
		of = append(of, uint16(index))
	}
	out.Groups = place(endpoints, groups, of)
	return out
}

// count adds an endpoint to its group and returns the group's place.
func count(groups []group, key groupKey) (all []group, index int) {
	for i := range groups {
		if groups[i].key == key {
			groups[i].size++
			return groups, i
		}
	}
	return append(groups, group{key: key, size: 1}), len(groups)
}

// place puts the endpoints into their groups, in one array: the groups in order, within each the order of the
// endpoints. of holds each endpoint's place in groups.
func place(endpoints []discovery.Endpoint, groups []group, of []uint16) []ir.EndpointGroup {
	all := make([]ir.Endpoint, len(endpoints))
	out := make([]ir.EndpointGroup, len(groups))
	start := 0
	for rank, index := range ranked(groups) {
		g := &groups[index]
		g.next = start
		end := start + g.size
		out[rank] = ir.EndpointGroup{
			Priority: g.key.priority, Locality: g.key.locality, Mesh: g.key.mesh, Endpoints: all[start:end:end],
		}
		start = end
	}
	for i := range endpoints {
		e, g := &endpoints[i], &groups[of[i]]
		all[g.next] = ir.Endpoint{Address: e.Address, Additional: e.Additional, Weight: max(e.Weight, 1), Health: e.Health}
		g.next++
	}
	return out
}

// ranked returns the places of the groups in the order of their keys.
func ranked(groups []group) []uint16 {
	order := make([]uint16, len(groups))
	for i := range order {
		order[i] = uint16(i)
	}
	if len(order) > 1 {
		slices.SortFunc(order, func(a, b uint16) int { return groups[a].key.compare(groups[b].key) })
	}
	return order
}
