package build

import (
	"net/netip"
	"slices"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy/ir"
)

// service is what is kept of one service.
type service struct {
	id discovery.ServiceID
	// values and shards are what the sources say; value is the one that counts, or nil.
	values discovery.BySource[discovery.Service]
	shards discovery.BySource[discovery.EndpointSet]
	value  *discovery.Service
	// origin is what its resources are marked with.
	origin origin
	// namedBy are the proxy rules whose egress or scope names the service.
	namedBy map[*proxy]struct{}

	// ports are those of value when the service was last resolved, sorted.
	ports []*port
	// listeners are what its virtual addresses came to.
	listeners []ir.Outbound
	listening output
	problems  []discovery.Problem

	dirty, dirtyPorts, dirtyListeners bool
}

func (b *Builder) service(id discovery.ServiceID) *service {
	s := b.services[id]
	if s == nil {
		s = &service{id: id, namedBy: map[*proxy]struct{}{}}
		b.services[id] = s
	}
	return s
}

// dropService forgets a service that nothing refers to any more.
func (b *Builder) dropService(s *service) {
	if len(s.values) == 0 && len(s.shards) == 0 && len(s.namedBy) == 0 &&
		len(s.ports) == 0 && len(s.listening.resources) == 0 && !s.dirty {
		delete(b.services, s.id)
	}
}

// mark says what the resources of the service are marked with.
func (s *service) mark() origin {
	if s.value == nil {
		return origin{}
	}
	object := discovery.ObjectID{Kind: s.value.Origin.Kind, Namespace: s.id.Namespace, Name: s.id.Name}
	return newOrigin(object, s.id.String())
}

func (s *service) port(number uint16) *port {
	for _, p := range s.ports {
		if p.number == number {
			return p
		}
	}
	return nil
}

func (b *Builder) storeService(source discovery.SourceID, id discovery.ServiceID, value *discovery.Service) {
	s := b.service(id)
	old := s.value
	s.values.Put(source, value, compareSources)
	s.value = s.values.First()
	switch {
	case !s.value.Equal(old):
		s.origin = s.mark()
		b.claim(s, addressesOf(old), addressesOf(s.value))
		b.walkServiceToPorts(s)
		b.walkServiceToAddresses(s, addressesOf(old), addressesOf(s.value))
		b.walkServiceToWorkloads(s)
		b.walkServiceToProxies(s)
	case s.value != nil && s.value.Origin != old.Origin:
		b.dirty.listeners(s) // Its problems show the place.
	}
	b.dropService(s)
}

func addressesOf(s *discovery.Service) []netip.Addr {
	if s == nil {
		return nil
	}
	return s.VIPs
}

// claim keeps the index of virtual addresses.
func (b *Builder) claim(s *service, old, now []netip.Addr) {
	byID := func(a *service, id discovery.ServiceID) int { return a.id.Compare(id) }
	for _, address := range old {
		list := b.claims[address]
		if i, found := slices.BinarySearchFunc(list, s.id, byID); found {
			b.claims[address] = slices.Delete(list, i, i+1)
		}
		if len(b.claims[address]) == 0 {
			delete(b.claims, address)
		}
	}
	for _, address := range now {
		list := b.claims[address]
		if i, found := slices.BinarySearchFunc(list, s.id, byID); !found {
			b.claims[address] = slices.Insert(list, i, s)
		}
	}
}

// resolveServices resolves what is dirty of every dirty service.
func (b *Builder) resolveServices() {
	services := b.dirty.takeServices()
	for _, s := range services {
		if s.dirtyPorts {
			b.syncPorts(s)
		}
		for _, p := range s.ports {
			if p.dirty {
				b.resolvePort(s, p)
			}
		}
		if s.dirtyListeners {
			b.resolveListeners(s)
		}
		s.dirty, s.dirtyPorts, s.dirtyListeners = false, false, false
		b.dropService(s)
	}
	clear(services)
}
