package hold

import (
	"reflect"
	"time"

	"outrigger.dev/outrigger/discovery"
)

// policies are the objects of one kind.
type policies[V any] struct {
	kind[discovery.ObjectID, V]
	title string
	out   map[discovery.ObjectID]*V
	fresh []discovery.ObjectID
	// recent are those that went shortly before, and can come back.
	recent map[discovery.ObjectID]departed[V]
}

// departed is an object that was believed to be gone.
type departed[V any] struct {
	value *V
	at    time.Time
}

// single makes a mass of a single object: shortly after trouble no policy is believed to be gone without a second read, since
// each may be the one that keeps somebody out.
const single = 1 << 30

func newPolicies[V any](title string, confirms bool) policies[V] {
	p := policies[V]{
		kind:  newKind[discovery.ObjectID](single, func(a, b *V) bool { return reflect.DeepEqual(a, b) }),
		title: title, out: map[discovery.ObjectID]*V{}, recent: map[discovery.ObjectID]departed[V]{},
	}
	p.relist.can = confirms
	return p
}

func (p *policies[V]) name() string                           { return p.title }
func (p *policies[V]) held() map[discovery.ObjectID]time.Time { return p.missing }

// changes returns what is new since it was last called.
func (p *policies[V]) changes() map[discovery.ObjectID]*V {
	out := p.out
	p.out = map[discovery.ObjectID]*V{}
	return out
}

func (p *policies[V]) take(now time.Time, update map[discovery.ObjectID]*V) {
	for id, gone := range p.recent {
		if _, again := update[id]; again || now.Sub(gone.at) > Shortly {
			delete(p.recent, id)
		}
	}
	p.fresh = p.kind.take(now, update, p.out)
}

// judge decides about those that went just now, or about all that are missing.
func (p *policies[V]) judge(now time.Time, ph phase, all bool) {
	missing := p.fresh
	if all {
		missing = p.all()
	}
	if ph == quiet && len(missing) > 0 && p.allAtOnce(len(missing)) {
		p.restoreRecent(now)
		p.clock = now
		p.relist.want(now)
		return
	}
	was := map[discovery.ObjectID]*V{}
	for _, id := range missing {
		was[id] = p.sent[id]
	}
	p.settle(p.verdict(now, ph), missing, p.out)
	for id, value := range was {
		if _, held := p.missing[id]; !held {
			p.recent[id] = departed[V]{value: value, at: now}
		}
	}
}

func (p *policies[V]) verdict(now time.Time, ph phase) verdict[discovery.ObjectID, V] {
	return verdict[discovery.ObjectID, V]{
		phase: ph, now: now, tied: func(discovery.ObjectID) bool { return false }, excused: func(*V) bool { return false },
	}
}

// allAtOnce reports whether nothing of a kind would be left, of several objects that went within Shortly: it is then the
// kind that went, rather than that each was deleted.
func (p *policies[V]) allAtOnce(fresh int) bool {
	return len(p.sent) == len(p.missing) && fresh+len(p.recent) > 1
}

// restoreRecent puts back what went shortly before.
func (p *policies[V]) restoreRecent(now time.Time) {
	for id, gone := range p.recent {
		if now.Sub(gone.at) <= Shortly {
			p.sent[id], p.out[id], p.missing[id] = gone.value, gone.value, gone.at
			delete(p.passed, id)
		}
	}
	clear(p.recent)
}

func (p *policies[V]) expire(now time.Time) {
	p.kind.expire(now, func(discovery.ObjectID) bool { return false }, p.out)
}

// confirmPolicies takes in a second list. While there should be one and there is none, no policy goes by the clock alone: the
// definitions of the kinds may be gone.
func (p *policies[V]) confirmPolicies(now time.Time, ph phase, l list[discovery.ObjectID], counts *Counts) {
	p.confirm(p.verdict(now, ph), l, counts, p.out)
	if l.err != nil {
		p.clock = now
	}
}
