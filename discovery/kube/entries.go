package kube

import (
	"cmp"
	"net/netip"
	"slices"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/discovery/internal/machine"
)

// entry is an endpoint of a slice behind one port.
type entry struct {
	*sliceEndpoint
	port uint16
}

func (e entry) at() netip.AddrPort { return netip.AddrPortFrom(e.address, e.port) }

// found returns what the slices list behind a port of that name, in their order.
func (b *build) found(name string) []entry {
	var found []entry
	for i, s := range b.slices {
		for j, port := range s.ports {
			if port.name != name {
				continue
			}
			b.matched[i][j] = true
			found = slices.Grow(found, len(s.endpoints))
			for k := range s.endpoints {
				found = append(found, entry{sliceEndpoint: &s.endpoints[k], port: port.number})
			}
		}
	}
	return found
}

// hosts are the entries that are known by a name.
func hosts(found []entry) []discovery.Host {
	var hosts []discovery.Host
	for _, e := range found {
		if e.host != "" {
			hosts = append(hosts, discovery.Host{Name: e.host, Port: e.port, Weight: 1, Health: healthOf(e.condition)})
		}
	}
	slices.SortFunc(hosts, func(a, b discovery.Host) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Health, b.Health))
	})
	return slices.CompactFunc(hosts, func(a, b discovery.Host) bool { return a.Name == b.Name && a.Port == b.Port })
}

func healthOf(c condition) discovery.Health {
	switch c {
	case ready:
		return discovery.Healthy
	case leaving:
		return discovery.Draining
	}
	return discovery.Unhealthy
}

// addresses are the entries that are known by an address: each one once, and one for both addresses of a pod.
func (b *build) addresses(port uint16, found []entry) []discovery.Endpoint {
	found = slices.DeleteFunc(found, func(e entry) bool { return e.host != "" })
	// Of equal addresses the best one wins, then the one that the first slice lists first.
	slices.SortStableFunc(found, func(x, y entry) int {
		return cmp.Or(x.at().Compare(y.at()), cmp.Compare(x.condition, y.condition))
	})
	found = slices.CompactFunc(found, func(x, y entry) bool { return x.at() == y.at() })
	before := b.portBefore(port)
	found = slices.DeleteFunc(found, func(e entry) bool { return b.awaits(e, before) })
	found, additional := b.join(found)
	out := make([]discovery.Endpoint, 0, len(found))
	for _, e := range found {
		out = append(out, discovery.Endpoint{
			Address: e.at(), Additional: additional[e.sliceEndpoint], Workload: e.pod, Locality: b.locality(e.sliceEndpoint),
			Weight: 1, Health: b.health(e, before), Zones: e.zones,
		})
	}
	if !slices.ContainsFunc(b.machines, func(m *machine.Machine) bool { return m.Model.Health == discovery.Healthy }) {
		keepSome(out)
	}
	return out
}

// join takes the addresses of a pod's other family out of the list and gives them to its first one.
func (b *build) join(found []entry) ([]entry, map[*sliceEndpoint][]netip.AddrPort) {
	first, last := found[:0:0], found
	if len(found) > 0 && found[0].address.Is4() != found[len(found)-1].address.Is4() {
		// Addresses are sorted: IPv4 before IPv6.
		split := slices.IndexFunc(found, func(e entry) bool { return e.address.Is6() })
		first, last = found[:split], found[split:]
	}
	if len(first) == 0 {
		return found, nil
	}
	if b.service.preferIPv6 {
		first, last = last, first
	}
	owners := make(map[discovery.WorkloadID]*sliceEndpoint, len(first))
	for _, e := range first {
		if e.pod != (discovery.WorkloadID{}) && owners[e.pod] == nil {
			owners[e.pod] = e.sliceEndpoint
		}
	}
	kept := slices.Clone(first)
	additional := make(map[*sliceEndpoint][]netip.AddrPort)
	for _, e := range last {
		if owner := owners[e.pod]; owner != nil {
			additional[owner] = append(additional[owner], e.at())
			continue
		}
		kept = append(kept, e)
	}
	slices.SortFunc(kept, func(x, y entry) int { return x.at().Compare(y.at()) })
	return kept, additional
}

// locality is where the endpoint says that it is, with the region of its node.
func (b *build) locality(e *sliceEndpoint) discovery.Locality {
	locality := discovery.Locality{Zone: e.zone}
	if node := b.nodes[key{name: e.node}]; node != nil {
		locality.Region = node.Locality.Region
		locality.Zone = cmp.Or(e.zone, node.Locality.Zone)
	}
	return locality
}

// portBefore is what was built last for a port.
func (b *build) portBefore(port uint16) []discovery.Endpoint {
	if b.before == nil {
		return nil
	}
	i := slices.IndexFunc(b.before.Ports, func(p discovery.PortEndpoints) bool { return p.Port == port })
	if i < 0 {
		return nil
	}
	return b.before.Ports[i].Endpoints
}

// keepSome uses endpoints that terminate where no other is left that serves.
func keepSome(endpoints []discovery.Endpoint) {
	if slices.ContainsFunc(endpoints, func(e discovery.Endpoint) bool { return e.Health == discovery.Healthy }) {
		return
	}
	for i := range endpoints {
		if endpoints[i].Health == discovery.Draining {
			endpoints[i].Health = discovery.Healthy
		}
	}
}
