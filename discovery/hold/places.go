package hold

import (
	"time"

	"outrigger.dev/outrigger/discovery"
)

// tombstoneAge is for how long a machine is remembered that went while the source was believed.
const tombstoneAge = time.Hour

// zoneID names a zone.
type zoneID struct{ region, zone string }

func zoneOf(l discovery.Locality) zoneID { return zoneID{region: l.Region, zone: l.Zone} }

// tombstone is a machine that was believed to be gone.
type tombstone struct {
	at   time.Time
	zone zoneID
}

// places knows which machines and zones the registry itself says are out: what ran there may be gone.
type places struct {
	now time.Time
	// stale says that the machines changed since they were counted.
	stale bool
	gone  map[string]tombstone
	// The rest is computed from the machines.
	silent map[string]struct{}
	zones  map[zoneID]*zoneCount
	nodes  int
	ready  int
}

type zoneCount struct{ ready, out int }

func newPlaces() places {
	return places{gone: map[string]tombstone{}, silent: map[string]struct{}{}, zones: map[zoneID]*zoneCount{}}
}

// bury remembers a machine that is believed to be gone.
func (p *places) bury(node *discovery.Node) {
	for name, t := range p.gone {
		if p.now.Sub(t.at) > tombstoneAge {
			delete(p.gone, name)
		}
	}
	p.gone[node.Name] = tombstone{at: p.now, zone: zoneOf(node.Locality)}
	p.stale = true
}

// look counts anew. A machine that is missing while the source is in trouble counts in its last state: a registry
// that lost its data misses it too. One that really went fell silent before.
func (p *places) look(nodes *kind[string, discovery.Node]) {
	p.stale = false
	clear(p.silent)
	clear(p.zones)
	p.nodes, p.ready = len(nodes.sent), 0
	for name, node := range nodes.sent {
		delete(p.gone, name)
		if !node.Ready {
			p.silent[name] = struct{}{}
		}
		p.count(zoneOf(node.Locality), node.Ready)
	}
	for _, t := range p.gone {
		p.count(t.zone, false)
	}
}

func (p *places) count(id zoneID, ready bool) {
	zone := p.zones[id]
	if zone == nil {
		zone = &zoneCount{}
		p.zones[id] = zone
	}
	if ready {
		zone.ready++
		p.ready++
	} else {
		zone.out++
	}
}

// out reports whether the registry says that what is on this machine, or in this zone, is out. When more than a third
// of all machines fall silent and not just one, it is rather the registry that does not hear them, unless they make up a zone.
func (p *places) out(node string, locality discovery.Locality) bool {
	if _, gone := p.gone[node]; gone && node != "" {
		return true
	}
	if p.zoneOut(zoneOf(locality)) {
		return true
	}
	_, silent := p.silent[node]
	return silent && p.ready > 0 && (len(p.silent) == 1 || 3*len(p.silent) <= p.nodes)
}

// zoneOut reports whether all machines of a zone are out while others are not.
func (p *places) zoneOut(id zoneID) bool {
	zone := p.zones[id]
	return id.zone != "" && zone != nil && zone.out > 0 && zone.ready == 0 && p.ready > 0
}
