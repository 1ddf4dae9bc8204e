package policy

import (
	"slices"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy/ir"
)

// IsZoned reports whether clients of different zones may prefer different endpoints of a service's port. Where a share of
// the traffic is due to some of them, that goes before; names have no zone.
func IsZoned(svc *discovery.Service, endpoints []discovery.Endpoint, hosts []discovery.Host) bool {
	if len(hosts) > 0 || balance(svc) == ir.ByWeight {
		return false
	}
	return svc.Distribution != discovery.Anywhere ||
		slices.ContainsFunc(endpoints, func(e discovery.Endpoint) bool { return len(e.Zones) > 0 })
}

// ResolveZoneEndpoints returns the endpoints as clients of a zone prefer them: first those that are meant for it, and
// the others for when those do not suffice. Where all or none are meant for it, it returns nil: the zone is like any other.
func ResolveZoneEndpoints(
	svc *discovery.Service, port uint16, endpoints []discovery.Endpoint, peerOf func(*discovery.Endpoint) Peer, zone string,
) *ir.Endpoints {
	near := 0
	for i := range endpoints {
		if isNear(svc, &endpoints[i], zone) {
			near++
		}
	}
	if near == 0 || near == len(endpoints) {
		return nil
	}
	return groupEndpoints(svc.ID, port, endpoints, func(e *discovery.Endpoint) groupKey {
		key := groupKey{locality: e.Locality, mesh: peerOf(e).Mesh}
		if !isNear(svc, e, zone) {
			key.priority = 1
		}
		return key
	})
}

// isNear reports whether an endpoint is meant for clients of a zone: by what the registry says of it, else by
// where it is, if that matters.
func isNear(svc *discovery.Service, e *discovery.Endpoint, zone string) bool {
	switch {
	case len(e.Zones) > 0:
		return slices.Contains(e.Zones, zone)
	case svc.Distribution != discovery.Anywhere:
		return e.Locality.Zone == zone
	}
	return true
}
