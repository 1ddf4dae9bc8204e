package hold

import (
	"net/netip"

	"outrigger.dev/outrigger/discovery"
)

// drop is what a shard of an update lost.
type drop struct {
	id    discovery.ShardID
	sh    *shard
	fresh []loss
	// sudden counts those of them that were not announced by draining.
	sudden int
}

// takeEndpoints takes the shards of an update in. How much is lost is known only once all were compared.
func (b *batch) takeEndpoints(update map[discovery.ShardID]*discovery.EndpointSet) {
	var drops []drop
	lost := 0
	for id, truth := range update {
		if _, known := b.k.shards[id]; !known {
			b.add(id, truth)
			continue
		}
		d := b.compare(id, truth)
		lost += d.sudden
		drops = append(drops, d)
	}
	massive := b.k.massive(lost)
	for _, d := range drops {
		b.decide(d, massive)
	}
	b.yield(update)
}

// add takes a shard that is new.
func (b *batch) add(id discovery.ShardID, set *discovery.EndpointSet) {
	if set == nil {
		return
	}
	b.k.shards[id], b.out.Endpoints[id] = set, set
	b.k.endpoints += size(set)
	b.k.window.returned(id, set)
}

// compare finds what a shard lost just now, and ends the holds of what it has again.
func (b *batch) compare(id discovery.ShardID, truth *discovery.EndpointSet) drop {
	sh := b.k.held[id]
	if sh == nil {
		sh = newShard(b.now)
	}
	sh.truth = truth
	b.k.window.returned(id, truth)
	d := drop{id: id, sh: sh}
	still := map[slot]struct{}{}
	for _, l := range losses(b.k.shards[id], truth, b.hasPort(id.Service)) {
		before, was := sh.held[l.slot]
		l.since = b.now
		if was {
			still[l.slot] = struct{}{}
			l.since = before.since
		}
		if was && before.ejected == l.ejected {
			continue
		}
		if was {
			b.k.drop(sh, l.slot)
		}
		if !b.k.excused(l.workload, l.locality) {
			d.fresh = append(d.fresh, l)
			if !l.announced {
				d.sudden++
			}
		}
	}
	for s := range sh.held {
		if _, lost := still[s]; !lost {
			b.k.unhold(b.now, sh, s)
		}
	}
	return d
}

// hasPort returns whether a service still has a port, as far as its ports are known.
func (b *batch) hasPort(id discovery.ServiceID) func(uint16) bool {
	service := b.k.services.sent[id]
	return func(number uint16) bool {
		if service == nil {
			return true
		}
		_, has := service.Port(number)
		return has
	}
}

// decide holds what a shard lost, or lets it go.
func (b *batch) decide(d drop, massive bool) {
	mass := massive || b.k.halved(d.id, d.sh, d.sudden)
	t := b.k.window.tally(d.id, b.k.shards[d.id])
	held := false
	for _, l := range d.fresh {
		b.k.window.unpass(t, l.slot)
		if b.phase == doubt && !l.ejected || b.phase != quiet && mass && !l.announced {
			b.k.hold(d.sh, l)
			held = true
			continue
		}
		if b.phase != quiet && !l.announced {
			b.k.window.pass(t, l.slot)
		}
	}
	if held && b.phase == wary {
		b.pend(d.id, d.sh)
	}
	b.finish(d.id, d.sh)
}

// yield lets go what is held at an address behind which the registry has another workload by now: addresses are used again.
func (b *batch) yield(update map[discovery.ShardID]*discovery.EndpointSet) {
	takers := map[netip.AddrPort]discovery.WorkloadID{}
	for _, set := range update {
		if set == nil || len(b.k.addresses) == 0 {
			continue
		}
		for i := range set.Ports {
			b.takers(set.Ports[i].Endpoints, takers)
		}
	}
	if len(takers) == 0 {
		return
	}
	for _, id := range b.heldShards() {
		sh := b.k.held[id]
		before := len(sh.held)
		for s, h := range sh.held {
			taker, taken := takers[s.address]
			if taken && taker != h.workload && h.workload != (discovery.WorkloadID{}) {
				b.k.unhold(b.now, sh, s)
			}
		}
		if len(sh.held) < before {
			b.finish(id, sh)
		}
	}
}

// takers notes which workloads are at addresses of held endpoints.
func (b *batch) takers(endpoints []discovery.Endpoint, takers map[netip.AddrPort]discovery.WorkloadID) {
	for i := range endpoints {
		e := &endpoints[i]
		if b.k.addresses[e.Address] > 0 && e.Workload != (discovery.WorkloadID{}) {
			takers[e.Address] = e.Workload
		}
	}
}

// finish sends what a shard is now, and remembers it when that is not what the registry says.
func (b *batch) finish(id discovery.ShardID, sh *shard) {
	before := b.k.shards[id]
	missing := sh.truth == nil && (len(sh.held) > 0 || b.phase == doubt)
	if len(sh.held) > 0 || missing {
		b.k.held[id] = sh
	} else {
		delete(b.k.held, id)
		b.k.contradict(sh, false)
	}
	if sh.truth == nil && !missing {
		b.k.endpoints -= size(before)
		delete(b.k.shards, id)
		b.out.Endpoints[id] = nil
		return
	}
	if after := compose(before, sh.truth, sh.held); !after.Equal(before) {
		b.k.endpoints += size(after) - size(before)
		b.k.shards[id], b.out.Endpoints[id] = after, after
	}
}
