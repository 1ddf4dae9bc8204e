package merge

import (
	"cmp"
	"iter"
	"net/netip"
	"slices"

	"outrigger.dev/outrigger/discovery"
)

// compose finds the shards of a service: that of its source, and for each target one of that registry.
func (m *Merge) compose(s *service, source discovery.SourceID, r *outcome, targets []target) {
	if len(targets) == 0 {
		if own := m.alone(source, s.shards.Get(source)); own != nil {
			r.shards[source] = own
		}
		return
	}
	joined, ends := m.together(s, source, targets, true)
	if ends {
		// While all that is left ends, whoever still serves is used, as in Kubernetes.
		still, _ := m.together(s, source, targets, false)
		for i, p := range joined.ports {
			if !p.serves() {
				joined.ports[i] = still.ports[i]
			}
		}
	}
	if r.join.Share != nil {
		joined.share(source, *r.join.Share)
	}
	joined.sets(s.id, r.shards)
}

// alone returns the shard of a service that joins nothing.
func (m *Merge) alone(source discovery.SourceID, set *discovery.EndpointSet) *discovery.EndpointSet {
	own, ends := m.adopt(source, set, true)
	if !ends {
		return own
	}
	still, _ := m.adopt(source, set, false)
	for i := range own.Ports {
		if p := &own.Ports[i]; !serves(p.Endpoints, p.Hosts) {
			*p = still.Ports[i]
		}
	}
	return own
}

// together puts a service and its targets together; see adopt for the rest.
func (m *Merge) together(s *service, source discovery.SourceID, targets []target, drain bool) (joined *composition, ends bool) {
	own, ends := m.adopt(source, s.shards.Get(source), drain)
	joined = newComposition(source, own)
	for _, t := range targets {
		set, more := m.adopt(t.source, t.service.shards.Get(t.source), drain)
		ends = ends || more
		for _, pair := range t.ports {
			joined.add(t.source, portOf(set, pair.theirs), pair.ours)
		}
	}
	return joined, ends
}

// adopt returns a set in which endpoints at the address of a known workload are that workload's. A source
// with identities knows better, and its set stays as it is. Those whose workload ends drain with it, if that is asked for; ends says
// that there are some.
func (m *Merge) adopt(source discovery.SourceID, set *discovery.EndpointSet, drain bool) (adopted *discovery.EndpointSet, ends bool) {
	if set == nil || identifies(source) || !m.hasHome(set) {
		return set, false
	}
	adopted = &discovery.EndpointSet{ID: set.ID, Ports: slices.Clone(set.Ports)}
	for i := range adopted.Ports {
		endpoints := slices.Clone(adopted.Ports[i].Endpoints)
		for j := range endpoints {
			w := m.homeOf(endpoints[j].Network, endpoints[j].Address.Addr())
			if w == nil {
				continue
			}
			endpoints[j].Workload = w.ID
			ending := w.Health == discovery.Draining
			ends = ends || ending
			if drain || !ending {
				endpoints[j].Health = max(endpoints[j].Health, w.Health)
			}
		}
		adopted.Ports[i].Endpoints = endpoints
	}
	return adopted, ends
}

// serves reports whether anything is of use.
func serves(endpoints []discovery.Endpoint, hosts []discovery.Host) bool {
	return slices.ContainsFunc(endpoints, func(e discovery.Endpoint) bool { return useful(e.Health) }) ||
		slices.ContainsFunc(hosts, func(h discovery.Host) bool { return useful(h.Health) })
}

func useful(h discovery.Health) bool { return h == discovery.Healthy || h == discovery.Degraded }

func (p *joinedPort) serves() bool {
	return slices.ContainsFunc(p.parts, func(p part) bool { return serves(p.endpoints, p.hosts) })
}

func (m *Merge) hasHome(set *discovery.EndpointSet) bool {
	for e := range endpointsOf(set) {
		if m.homeOf(e.Network, e.Address.Addr()) != nil {
			return true
		}
	}
	return false
}

// endpointsOf yields all endpoints of a set, which may be nil.
func endpointsOf(set *discovery.EndpointSet) iter.Seq[*discovery.Endpoint] {
	return func(yield func(*discovery.Endpoint) bool) {
		if set == nil {
			return
		}
		for i := range set.Ports {
			for j := range set.Ports[i].Endpoints {
				if !yield(&set.Ports[i].Endpoints[j]) {
					return
				}
			}
		}
	}
}

func portOf(set *discovery.EndpointSet, number uint16) discovery.PortEndpoints {
	if set != nil {
		for _, p := range set.Ports {
			if p.Port == number {
				return p
			}
		}
	}
	return discovery.PortEndpoints{}
}

// composition puts the ports of a service together.
type composition struct {
	ports []*joinedPort
}

// joinedPort is one port with the parts of all sources, the service's own first.
type joinedPort struct {
	number uint16
	parts  []part
	// joined says that some other registry serves the port.
	joined bool
	// instances finds the endpoints of the parts so far by their workloads; nil until another part comes.
	instances map[discovery.WorkloadID][]*discovery.Endpoint
}

// part is what one source has at a port. Its slices belong to it.
type part struct {
	source    discovery.SourceID
	endpoints []discovery.Endpoint
	hosts     []discovery.Host
}

func newComposition(source discovery.SourceID, own *discovery.EndpointSet) *composition {
	c := &composition{}
	if own == nil {
		return c
	}
	for _, p := range own.Ports {
		c.ports = append(c.ports, &joinedPort{number: p.Port, parts: []part{
			{source: source, endpoints: slices.Clone(p.Endpoints), hosts: slices.Clone(p.Hosts)},
		}})
	}
	return c
}

// add joins what a source has to a port, without what is there already.
func (c *composition) add(source discovery.SourceID, theirs discovery.PortEndpoints, number uint16) {
	p := c.port(number)
	p.joined = true
	p.index()
	next := part{source: source}
	for i := range theirs.Endpoints {
		if !p.hasSeen(&theirs.Endpoints[i]) {
			next.endpoints = append(next.endpoints, theirs.Endpoints[i])
		}
	}
	for _, h := range theirs.Hosts {
		if !p.hasSeenHost(h) {
			next.hosts = append(next.hosts, h)
		}
	}
	p.parts = append(p.parts, next)
}

func (c *composition) port(number uint16) *joinedPort {
	i, found := slices.BinarySearchFunc(c.ports, number, func(p *joinedPort, n uint16) int { return cmp.Compare(p.number, n) })
	if !found {
		c.ports = slices.Insert(c.ports, i, &joinedPort{number: number})
	}
	return c.ports[i]
}

// index finds the instances of the parts so far.
func (p *joinedPort) index() {
	p.instances = map[discovery.WorkloadID][]*discovery.Endpoint{}
	for i := range p.parts {
		for j := range p.parts[i].endpoints {
			e := &p.parts[i].endpoints[j]
			if e.Workload != (discovery.WorkloadID{}) {
				p.instances[e.Workload] = append(p.instances[e.Workload], e)
			}
		}
	}
}

// hasSeen reports whether an earlier part has the instance of an endpoint, which then has the worse health of the two.
func (p *joinedPort) hasSeen(e *discovery.Endpoint) bool {
	for i := range p.parts {
		endpoints := p.parts[i].endpoints
		if j, found := slices.BinarySearchFunc(endpoints, e.Address, compareAddress); found && endpoints[j].Network == e.Network {
			endpoints[j].Health = max(endpoints[j].Health, e.Health)
			return true
		}
	}
	same := p.instances[e.Workload]
	for _, known := range same {
		known.Health = max(known.Health, e.Health)
	}
	return len(same) > 0
}

func compareAddress(e discovery.Endpoint, address netip.AddrPort) int {
	return e.Address.Compare(address)
}

func (p *joinedPort) hasSeenHost(h discovery.Host) bool {
	for i := range p.parts {
		for j := range p.parts[i].hosts {
			if known := &p.parts[i].hosts[j]; known.Name == h.Name && known.Port == h.Port {
				known.Health = max(known.Health, h.Health)
				return true
			}
		}
	}
	return false
}

// sets writes a shard for each source that has something.
func (c *composition) sets(id discovery.ServiceID, into map[discovery.SourceID]*discovery.EndpointSet) {
	for _, p := range c.ports {
		for _, of := range p.parts {
			if len(of.endpoints)+len(of.hosts) == 0 {
				continue
			}
			set := into[of.source]
			if set == nil {
				set = &discovery.EndpointSet{ID: discovery.ShardID{Service: id, Source: of.source}}
				into[of.source] = set
			}
			set.Ports = append(set.Ports, discovery.PortEndpoints{Port: p.number, Endpoints: of.endpoints, Hosts: of.hosts})
		}
	}
}
