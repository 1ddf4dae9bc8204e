package feed

import (
	"slices"

	"outrigger.dev/outrigger/discovery"
)

// split takes out the shards that only lose endpoints, or have them drain, compared to
// those that were applied last: what has gone is told before anything that is merely new.
//
// A service that changes itself, or has another shard that gains something, stays
// whole: the first half alone would be a state that nobody meant.
func (p *pending) split(applied map[discovery.ShardID]*discovery.EndpointSet) map[discovery.ShardID]*discovery.EndpointSet {
	if p == nil || len(applied) == 0 {
		return nil
	}
	whole := map[discovery.ServiceID]struct{}{}
	first := map[discovery.ShardID]*discovery.EndpointSet{}
	for _, u := range p.updates {
		for id := range u.Services {
			whole[id] = struct{}{}
		}
		for id, set := range u.Endpoints {
			if onlyLoses(applied[id], set) {
				first[id] = set
			} else if !set.Equal(applied[id]) {
				whole[id.Service] = struct{}{}
			}
		}
	}
	for id := range first {
		if _, ok := whole[id.Service]; ok {
			delete(first, id)
		}
	}
	p.without(first)
	return first
}

func (p *pending) without(shards map[discovery.ShardID]*discovery.EndpointSet) {
	for _, u := range p.updates {
		for id := range shards {
			delete(u.Endpoints, id)
		}
	}
}

// onlyLoses reports whether a shard differs in nothing but endpoints that went, drain or are unhealthy.
func onlyLoses(old, now *discovery.EndpointSet) bool {
	if old == nil || old.Equal(now) {
		return false
	}
	if now == nil {
		return true
	}
	for _, port := range now.Ports {
		if !slices.Equal(port.Hosts, hostsOf(old, port.Port)) {
			return false
		}
		before := endpointsOf(old, port.Port)
		for i := range port.Endpoints {
			if !isLess(before, port.Endpoints[i]) {
				return false
			}
		}
	}
	return true
}

// isLess reports whether an endpoint was there before and is at best what it was.
func isLess(before []discovery.Endpoint, now discovery.Endpoint) bool {
	i, found := slices.BinarySearchFunc(before, now, func(a, b discovery.Endpoint) int { return a.Address.Compare(b.Address) })
	if !found {
		return false
	}
	if now.Health == discovery.Draining || now.Health == discovery.Unhealthy {
		now.Health = before[i].Health
	}
	return now.Equal(&before[i])
}

func hostsOf(set *discovery.EndpointSet, port uint16) []discovery.Host {
	for _, p := range set.Ports {
		if p.Port == port {
			return p.Hosts
		}
	}
	return nil
}

func endpointsOf(set *discovery.EndpointSet, port uint16) []discovery.Endpoint {
	for _, p := range set.Ports {
		if p.Port == port {
			return p.Endpoints
		}
	}
	return nil
}
