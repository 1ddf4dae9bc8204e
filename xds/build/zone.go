package build

import (
	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy"
	"outrigger.dev/outrigger/policy/ir"
	"outrigger.dev/outrigger/xds/cache"
	"outrigger.dev/outrigger/xds/translate"
)

// zonal is the assignment of a port for clients of one zone.
type zonal struct {
	endpoints  *ir.Endpoints
	assignment output
}

func zoneLayer(zone string) cache.LayerID { return zonePrefix + cache.LayerID(zone) }

// countZone keeps the number of clients in each zone.
func (b *Builder) countZone(was, is string) {
	if was == is {
		return
	}
	if was != "" {
		if b.zones[was]--; b.zones[was] == 0 {
			delete(b.zones, was)
			b.walkZoneToPorts()
		}
	}
	if is != "" {
		if b.zones[is]++; b.zones[is] == 1 {
			b.walkZoneToPorts()
		}
	}
}

// zoneOf returns the zone of a workload whose proxy calls others; empty for all else.
func zoneOf(w *discovery.Workload) string {
	if w == nil || !w.Sidecar {
		return ""
	}
	return w.Locality.Zone
}

// resolveZones brings the forms of a port for the zones of clients up to date.
func (b *Builder) resolveZones(s *service, p *port, endpoints []discovery.Endpoint, zoned bool) {
	if !zoned {
		b.withdrawZones(p)
		return
	}
	b.zoned[p] = s
	for zone := range p.zonal {
		if b.zones[zone] == 0 {
			b.withdrawZone(p, zone)
		}
	}
	for zone := range b.zones {
		b.resolveZone(s, p, zone, policy.ResolveZoneEndpoints(s.value, p.number, endpoints, b.peerOf, zone))
	}
}

// resolveZone publishes the endpoints for a zone; nil says that it has no form of its own.
func (b *Builder) resolveZone(s *service, p *port, zone string, endpoints *ir.Endpoints) {
	if endpoints == nil {
		b.withdrawZone(p, zone)
		return
	}
	z := p.zonal[zone]
	if z == nil {
		if p.zonal == nil {
			p.zonal = map[string]*zonal{}
		}
		z = &zonal{}
		p.zonal[zone] = z
	}
	if !endpoints.Equal(z.endpoints) || z.assignment.from != s.origin {
		z.endpoints = endpoints
		b.publish(zoneLayer(zone), &z.assignment, s.origin, translate.Endpoints(endpoints))
	}
}

func (b *Builder) withdrawZone(p *port, zone string) {
	if z := p.zonal[zone]; z != nil {
		b.withdraw(zoneLayer(zone), &z.assignment)
		delete(p.zonal, zone)
	}
}

func (b *Builder) withdrawZones(p *port) {
	for zone := range p.zonal {
		b.withdrawZone(p, zone)
	}
	delete(b.zoned, p)
}
