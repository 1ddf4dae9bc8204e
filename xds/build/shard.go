package build

import (
	"cmp"
	"slices"
	"strings"

	"outrigger.dev/outrigger/discovery"
)

func (b *Builder) storeShard(id discovery.ShardID, value *discovery.EndpointSet) {
	s := b.service(id.Service)
	old := s.shards.Get(id.Source)
	if !value.Equal(old) {
		s.shards.Put(id.Source, value, compareSources)
		b.compareShards(s, old, value)
	}
	b.dropService(s)
}

// compareShards finds the ports of a shard that differ.
func (b *Builder) compareShards(s *service, old, now *discovery.EndpointSet) {
	was, is := portsOf(old), portsOf(now)
	for len(was) > 0 || len(is) > 0 {
		var before, after discovery.PortEndpoints
		switch {
		case len(is) == 0 || (len(was) > 0 && was[0].Port < is[0].Port):
			before, was = was[0], was[1:]
			after.Port = before.Port
		case len(was) == 0 || is[0].Port < was[0].Port:
			after, is = is[0], is[1:]
		default:
			before, after = was[0], is[0]
			was, is = was[1:], is[1:]
		}
		b.comparePorts(s, before, after)
	}
}

func portsOf(set *discovery.EndpointSet) []discovery.PortEndpoints {
	if set == nil {
		return nil
	}
	return set.Ports
}

// comparePorts finds the endpoints of one port that came, went or changed.
func (b *Builder) comparePorts(s *service, before, now discovery.PortEndpoints) {
	was, is, differs := before.Endpoints, now.Endpoints, !slices.Equal(before.Hosts, now.Hosts)
	for len(was) > 0 || len(is) > 0 {
		order := compareHeads(was, is)
		switch {
		case order == 0 && was[0].Workload == is[0].Workload:
			differs = differs || !was[0].Equal(&is[0])
			was, is = was[1:], is[1:]
		case order <= 0:
			b.leadAway(s, now.Port, &was[0])
			was, differs = was[1:], true
		default:
			b.leadTo(s, now.Port, &is[0])
			is, differs = is[1:], true
		}
	}
	if differs {
		b.walkShardToPorts(s, now.Port)
	}
}

// compareHeads says which of two sorted lists, not both empty, has the first address.
func compareHeads(was, is []discovery.Endpoint) int {
	switch {
	case len(is) == 0:
		return -1
	case len(was) == 0:
		return 1
	default:
		return was[0].Address.Compare(is[0].Address)
	}
}

// servedEndpoints returns the endpoints of a port that may be used, from all shards. They are sorted by address,
// and good until the next call.
func (b *Builder) servedEndpoints(s *service, port uint16) []discovery.Endpoint {
	merged := b.merged(s, port)
	if !slices.ContainsFunc(merged, func(e discovery.Endpoint) bool { return !b.isServed(&e) }) {
		return merged
	}
	served := make([]discovery.Endpoint, 0, len(merged))
	for i := range merged {
		if b.isServed(&merged[i]) {
			served = append(served, merged[i])
		}
	}
	return served
}

// merged puts the shards together; the same address in the same network counts once, as the first source has it.
func (b *Builder) merged(s *service, port uint16) []discovery.Endpoint {
	if len(s.shards) == 1 {
		return endpointsOf(s.shards[0].Value, port)
	}
	b.endpoints = b.endpoints[:0]
	for _, shard := range s.shards {
		b.endpoints = append(b.endpoints, endpointsOf(shard.Value, port)...)
	}
	slices.SortStableFunc(b.endpoints, func(x, y discovery.Endpoint) int {
		return cmp.Or(x.Address.Compare(y.Address), strings.Compare(x.Network, y.Network))
	})
	b.endpoints = slices.CompactFunc(b.endpoints, func(x, y discovery.Endpoint) bool {
		return x.Address == y.Address && x.Network == y.Network
	})
	return b.endpoints
}

// servedHosts returns the endpoints of a port that are known by names and may be used, from all shards, sorted; the same
// name and port count once, as the first source has them.
func servedHosts(s *service, port uint16) []discovery.Host {
	var hosts []discovery.Host
	for _, shard := range s.shards {
		for i := range shard.Value.Ports {
			if shard.Value.Ports[i].Port == port {
				hosts = append(hosts, shard.Value.Ports[i].Hosts...)
			}
		}
	}
	slices.SortStableFunc(hosts, func(x, y discovery.Host) int {
		return cmp.Or(strings.Compare(x.Name, y.Name), cmp.Compare(x.Port, y.Port))
	})
	hosts = slices.CompactFunc(hosts, func(x, y discovery.Host) bool { return x.Name == y.Name && x.Port == y.Port })
	return slices.DeleteFunc(hosts, func(h discovery.Host) bool { return h.Idle })
}

func endpointsOf(set *discovery.EndpointSet, port uint16) []discovery.Endpoint {
	for i := range set.Ports {
		if set.Ports[i].Port == port {
			return set.Ports[i].Endpoints
		}
	}
	return nil
}
