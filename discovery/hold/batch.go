package hold

import (
	"maps"
	"slices"
	"time"

	"outrigger.dev/outrigger/discovery"
)

// batch is one step of a Keeper that holds, or might.
type batch struct {
	k       *Keeper
	now     time.Time
	phase   phase
	out     discovery.Update
	confirm []Question
}

func (k *Keeper) batch(now time.Time, p phase) *batch {
	return &batch{k: k, now: now, phase: p, out: discovery.Update{
		Source:     k.source,
		Services:   map[discovery.ServiceID]*discovery.Service{},
		Endpoints:  map[discovery.ShardID]*discovery.EndpointSet{},
		Workloads:  map[discovery.WorkloadID]*discovery.Workload{},
		Nodes:      map[string]*discovery.Node{},
		Namespaces: map[string]*discovery.Namespace{},
	}}
}

func (b *batch) done() discovery.Update {
	b.out.Trouble = b.k.tell()
	return b.out
}

// asked returns what is to be read a second time, in order, each once.
func (b *batch) asked() []Question {
	if b.phase != doubt && b.k.services.asks(b.now) {
		b.confirm = append(b.confirm, Question{Of: OfServices})
	}
	if b.phase != doubt && b.k.workloads.asks(b.now) {
		b.confirm = append(b.confirm, Question{Of: OfWorkloads})
	}
	slices.SortFunc(b.confirm, Question.compare)
	return slices.Compact(b.confirm)
}

// apply takes an update in; over says that trouble ended with it.
func (b *batch) apply(u discovery.Update, over bool) {
	k := b.k
	nodes := k.nodes.take(b.now, u.Nodes, b.out.Nodes)
	namespaces := k.namespaces.take(b.now, u.Namespaces, b.out.Namespaces)
	services := k.services.take(b.now, u.Services, b.out.Services)
	workloads := k.workloads.take(b.now, u.Workloads, b.out.Workloads)
	if over {
		nodes, namespaces, services = k.nodes.all(), k.namespaces.all(), k.services.all()
	}
	evidence := b.lookAtNodes(nodes, len(u.Nodes) > 0)
	b.takeEndpoints(u.Endpoints)
	if over || evidence {
		b.excuse()
		workloads = k.workloads.all()
	}
	if over {
		b.judge()
	}
	k.namespaces.settle(b.namespaceVerdict(), namespaces, b.out.Namespaces)
	k.services.settle(b.serviceVerdict(), services, b.out.Services)
	k.workloads.settle(b.workloadVerdict(), workloads, b.out.Workloads)
}

func (b *batch) namespaceVerdict() verdict[string, discovery.Namespace] {
	return verdict[string, discovery.Namespace]{
		phase: b.phase, now: b.now, tied: free, excused: func(*discovery.Namespace) bool { return false },
	}
}

func (b *batch) serviceVerdict() verdict[discovery.ServiceID, discovery.Service] {
	return verdict[discovery.ServiceID, discovery.Service]{
		phase: b.phase, now: b.now, tied: b.k.serviceTied, excused: func(*discovery.Service) bool { return false },
	}
}

func (b *batch) workloadVerdict() verdict[discovery.WorkloadID, discovery.Workload] {
	return verdict[discovery.WorkloadID, discovery.Workload]{
		phase: b.phase, now: b.now, tied: b.k.workloadTied, excused: b.k.excusedWorkload,
	}
}

// lookAtNodes decides which machines went, and reports whether what is known of them may have changed.
func (b *batch) lookAtNodes(missing []string, changed bool) bool {
	k := b.k
	changed = changed || k.places.stale
	if changed {
		k.places.look(&k.nodes)
	}
	k.nodes.settle(verdict[string, discovery.Node]{
		phase: b.phase, now: b.now, tied: free,
		excused: func(n *discovery.Node) bool { return k.places.out(n.Name, n.Locality) },
	}, missing, b.out.Nodes)
	if k.places.stale {
		k.places.look(&k.nodes)
	}
	return changed
}

// free says that nothing that is held needs a machine or a namespace.
func free(string) bool { return false }

func (k *Keeper) serviceTied(id discovery.ServiceID) bool {
	sh := k.held[discovery.ShardID{Service: id, Source: k.source}]
	return sh != nil && len(sh.held) > 0
}

func (k *Keeper) workloadTied(id discovery.WorkloadID) bool { return k.refs[id] > 0 }

func (k *Keeper) excusedWorkload(w *discovery.Workload) bool { return k.places.out(w.Node, w.Locality) }

// excused reports whether the registry says itself why an endpoint went.
func (k *Keeper) excused(workload discovery.WorkloadID, locality discovery.Locality) bool {
	var node string
	if w := k.workloads.sent[workload]; w != nil {
		node = w.Node
		if locality == (discovery.Locality{}) {
			locality = w.Locality
		}
	}
	if known := k.nodes.sent[node]; known != nil && locality == (discovery.Locality{}) {
		locality = known.Locality
	}
	return k.places.out(node, locality)
}

// excuse lets go what ran where the registry says that nothing runs any more.
func (b *batch) excuse() {
	for id, sh := range b.k.held {
		before := len(sh.held)
		for s, h := range sh.held {
			if b.k.excused(h.workload, h.locality) {
				b.k.unhold(b.now, sh, s)
			}
		}
		if len(sh.held) < before {
			b.finish(id, sh)
		}
	}
}

// judge decides after trouble about all that is held: what is little goes, a mass is to be confirmed.
func (b *batch) judge() {
	massive := b.k.massive(0)
	for _, id := range b.heldShards() {
		sh := b.k.held[id]
		if b.phase == wary && len(sh.held) > 0 && (massive || b.k.halved(id, sh, 0)) {
			b.pend(id, sh)
			continue
		}
		b.letGo(id, sh)
	}
}

// heldShards returns those that are held now: the map changes while they are gone through.
func (b *batch) heldShards() []discovery.ShardID { return slices.Collect(maps.Keys(b.k.held)) }

// pend begins the wait for a second read, or for the end of Patience.
func (b *batch) pend(id discovery.ShardID, sh *shard) {
	sh.clock = b.now
	b.k.contradict(sh, false)
	b.ask(id, sh)
}

func (b *batch) ask(id discovery.ShardID, sh *shard) {
	sh.ask = b.now.Add(Reread)
	if b.k.reads.Endpoints {
		b.confirm = append(b.confirm, Question{Of: OfEndpoints, Service: id.Service})
	}
}

// letGo believes that all that is held of a shard is gone.
func (b *batch) letGo(id discovery.ShardID, sh *shard) {
	t := b.k.window.tally(id, b.k.shards[id])
	for s := range sh.held {
		b.k.unhold(b.now, sh, s)
		b.k.window.pass(t, s)
	}
	b.finish(id, sh)
}

// confirmed compares what is held of a shard with a second read.
func (b *batch) confirmed(id discovery.ShardID, sh *shard, set *discovery.EndpointSet) {
	for s, h := range sh.held {
		state, there := health(set, s)
		if there && (!h.ejected || state != discovery.Unhealthy) {
			continue
		}
		b.k.unhold(b.now, sh, s)
		b.untieWorkload(h.workload)
	}
	if len(sh.held) > 0 {
		b.k.counts.Contradicted++
		sh.clock = b.now
		b.k.contradict(sh, true)
	} else {
		b.k.counts.Confirmed++
	}
	b.finish(id, sh)
	b.untieService(id.Service)
}

// due lets go what lasted, and asks again for what may be confirmed.
func (b *batch) due() {
	for _, id := range b.heldShards() {
		sh := b.k.held[id]
		if !b.now.Before(sh.clock.Add(Patience)) {
			b.expire(id, sh)
		} else if b.k.reads.Endpoints && !b.now.Before(sh.ask) {
			b.ask(id, sh)
		}
	}
	b.k.services.expire(b.now, b.k.serviceTied, b.out.Services)
	b.k.workloads.expire(b.now, b.k.workloadTied, b.out.Workloads)
	b.k.nodes.expire(b.now, free, b.out.Nodes)
	b.k.namespaces.expire(b.now, free, b.out.Namespaces)
}

func (b *batch) expire(id discovery.ShardID, sh *shard) {
	for s, h := range sh.held {
		b.k.unhold(b.now, sh, s)
		b.untieWorkload(h.workload)
	}
	b.finish(id, sh)
	b.untieService(id.Service)
}

// untieWorkload lets a missing workload go whose last held endpoint went, unless a second list had it.
func (b *batch) untieWorkload(id discovery.WorkloadID) {
	if b.k.workloads.doubtful(id) && !b.k.workloadTied(id) {
		b.k.workloads.release(id, b.out.Workloads)
	}
}

// untieService lets a missing service go whose held endpoints went, unless a second list had it.
func (b *batch) untieService(id discovery.ServiceID) {
	if b.k.services.doubtful(id) && !b.k.serviceTied(id) {
		b.k.services.release(id, b.out.Services)
	}
}
