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
	askAt  time.Time
}

// departed is an object that was believed to be gone.
type departed[V any] struct {
	value *V
	at    time.Time
}

// half is the share of a mass among the objects of a kind.
const half = 2

func newPolicies[V any](title string) policies[V] {
	return policies[V]{
		kind:  newKind[discovery.ObjectID](half, func(a, b *V) bool { return reflect.DeepEqual(a, b) }),
		title: title, out: map[discovery.ObjectID]*V{}, recent: map[discovery.ObjectID]departed[V]{},
	}
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
		p.clock, p.askAt = now, now
		return
	}
	was := map[discovery.ObjectID]*V{}
	for _, id := range missing {
		was[id] = p.sent[id]
	}
	p.settle(verdict[discovery.ObjectID, V]{
		phase: ph, now: now, tied: func(discovery.ObjectID) bool { return false }, excused: func(*V) bool { return false },
	}, missing, p.out)
	for id, value := range was {
		if _, held := p.missing[id]; !held {
			p.recent[id] = departed[V]{value: value, at: now}
		} else if ph == wary {
			p.askAt = now
		}
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

// confirm lets go what a second list did not have, and reports whether it had nothing that is held.
func (p *policies[V]) confirm(listed func(discovery.ObjectID) bool) bool {
	for _, id := range p.all() {
		if !listed(id) {
			p.release(id, p.out)
		}
	}
	return len(p.missing) == 0
}

func (p *policies[V]) due(confirms bool) (time.Time, bool) {
	at, some := p.kind.due()
	if confirms && p.askAt.Before(at) {
		at = p.askAt
	}
	return at, some
}

// asks reports whether the kind is to be listed again now.
func (p *policies[V]) asks(now time.Time) bool {
	if len(p.missing) == 0 || now.Before(p.askAt) {
		return false
	}
	p.askAt = now.Add(Reread)
	return true
}
