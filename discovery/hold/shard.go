package hold

import (
	"time"

	"outrigger.dev/outrigger/discovery"
)

// holding is an endpoint that is kept in its last state.
type holding struct {
	since time.Time
	// ejected: the registry has it, and has it as unhealthy.
	ejected bool
	// restored: it comes from a file, and the registry did not name it yet.
	restored bool
	workload discovery.WorkloadID
	locality discovery.Locality
}

// shard is an endpoint set that is not what the registry says.
type shard struct {
	// truth is what the registry says; nil: it has none.
	truth *discovery.EndpointSet
	held  map[slot]holding
	// since is when the two began to differ.
	since time.Time
	// clock is when, without trouble, something was held last, or a second read last had what is held.
	clock time.Time
	// ask is when the next second read is due.
	ask time.Time
	// contradicted says that a second read had what is held.
	contradicted bool
}

func newShard(now time.Time) *shard { return &shard{held: map[slot]holding{}, since: now} }

// window counts what is lost in and after one time of trouble.
type window struct {
	// base is how many endpoints there were when it began, passed how many went since.
	base, passed int
	shards       map[discovery.ShardID]*tally
}

// tally is what passed of one shard.
type tally struct {
	base   int
	passed map[slot]struct{}
}

func (w *window) tally(id discovery.ShardID, before *discovery.EndpointSet) *tally {
	t := w.shards[id]
	if t == nil {
		t = &tally{base: size(before), passed: map[slot]struct{}{}}
		w.shards[id] = t
	}
	return t
}

func (w *window) pass(t *tally, s slot) {
	if _, already := t.passed[s]; !already {
		t.passed[s] = struct{}{}
		w.passed++
	}
}

func (w *window) unpass(t *tally, s slot) {
	if _, passed := t.passed[s]; passed {
		delete(t.passed, s)
		w.passed--
	}
}

// returned forgets of what passed whatever the registry has again.
func (w *window) returned(id discovery.ShardID, truth *discovery.EndpointSet) {
	t := w.shards[id]
	if t == nil {
		return
	}
	for s := range t.passed {
		if now, there := health(truth, s); there && useful(now) {
			w.unpass(t, s)
		}
	}
}

// massive reports whether a fifth of all endpoints is lost, with these just now.
func (k *Keeper) massive(fresh int) bool {
	return 5*(k.heldEndpoints+k.window.passed+fresh) > max(k.window.base, k.endpoints)
}

// halved reports whether more than half of a shard is lost, with these just now.
func (k *Keeper) halved(id discovery.ShardID, sh *shard, fresh int) bool {
	t := k.window.tally(id, k.shards[id])
	return 2*(len(sh.held)+len(t.passed)+fresh) > t.base
}

func (k *Keeper) hold(sh *shard, l loss) {
	sh.held[l.slot] = holding{since: l.since, ejected: l.ejected, restored: l.restored, workload: l.workload, locality: l.locality}
	k.heldEndpoints++
	k.addresses[l.address]++
	if l.workload != (discovery.WorkloadID{}) {
		k.refs[l.workload]++
	}
}

// unhold ends a hold and counts how it ended: saved when the registry has the endpoint again, else dead.
func (k *Keeper) unhold(now time.Time, sh *shard, s slot) {
	h := sh.held[s]
	k.drop(sh, s)
	state, there := health(sh.truth, s)
	switch {
	case there && h.restored:
		// That the registry names what a file had is no merit of a hold.
	case there && useful(state):
		k.counts.Saved++
	case !there || h.ejected:
		k.counts.dead(now.Sub(h.since))
	}
}

// contradict notes whether a second read still had what is held.
func (k *Keeper) contradict(sh *shard, contradicted bool) {
	switch {
	case contradicted && !sh.contradicted:
		k.contradicted++
	case !contradicted && sh.contradicted:
		k.contradicted--
	}
	sh.contradicted = contradicted
}

// drop ends a hold that is not counted.
func (k *Keeper) drop(sh *shard, s slot) {
	h := sh.held[s]
	delete(sh.held, s)
	k.heldEndpoints--
	if k.addresses[s.address]--; k.addresses[s.address] == 0 {
		delete(k.addresses, s.address)
	}
	if h.workload == (discovery.WorkloadID{}) {
		return
	}
	if k.refs[h.workload]--; k.refs[h.workload] == 0 {
		delete(k.refs, h.workload)
	}
}
