package server

import (
	"strings"
	"time"

	"outrigger.dev/outrigger/xds/cache"
)

// wildcard is the name that stands for every resource of a type.
const wildcard = "*"

// subscribeFirst takes the first request of a type on the stream. It lists all
// names that the client wants, and with them the versions that it has from an
// earlier stream: what matches may be answered by silence, only here.
func (s *session) subscribeFirst(t *typeState, r *request, now time.Time) {
	s.requested |= 1 << t.typ
	t.absent = false
	if t.typ != cache.Secret { // Snapshots hold none.
		s.bases[t.typ] = s.target
	}
	if s.subscribeWhole(t, r, now) {
		s.resubscribe(t, &request{unsubscribe: r.unsubscribe}, now)
		return
	}
	// The legacy form: a first request without names asks for everything. Later, no names mean no change.
	all := len(r.subscribe) == 0
	has := possessionsOf(r.versions, s.target, t.typ, s.wholeFrom)
	t.names.expect(len(r.subscribe))
	for _, name := range r.subscribe {
		if name == wildcard {
			all = true
			continue
		}
		res := s.target.Get(t.typ, name)
		if name = intern(res, name); t.names.add(name) {
			s.answerFirst(t, entry{name: name, res: res, had: had{version: has.version(name)}, asked: true}, now)
		}
	}
	if all {
		t.wildcard = true
		s.wildcardFirst(t, has)
	}
	s.resubscribe(t, &request{unsubscribe: r.unsubscribe}, now)
}

// answerFirst answers a name of the first request, unless the client has its version.
func (s *session) answerFirst(t *typeState, e entry, now time.Time) {
	if t.typ == cache.Secret {
		s.askSecret(e.name, strings.Clone(e.had.version), now)
		return
	}
	if e.res != nil && e.had.version == e.res.Version() && !s.mustFollow(t, e.name) {
		t.awaited.pay(e.name)
		return
	}
	e.had.version = strings.Clone(e.had.version)
	s.enqueue(t, e, true)
}

// mustFollow reports whether an assignment must be sent although the client has it: Envoy waits for it
// after its cluster was sent.
func (s *session) mustFollow(t *typeState, name string) bool {
	return t.typ == cache.Endpoints && t.awaited.has(name)
}

// wildcardFirst answers the first wildcard request with what the client lacks, and learns what it has too much.
func (s *session) wildcardFirst(t *typeState, has possessions) {
	t.mustAnswer = has.nothing()
	if t.typ == cache.Secret {
		t.mustAnswer, t.asked = true, true // Secrets are asked for by name: there is nothing to list.
		return
	}
	base := s.bases[t.typ]
	for name, version := range has.other {
		if base.Get(t.typ, name) == nil && !t.names.has(name) {
			s.removals.add(cache.Ref{Type: t.typ, Name: strings.Clone(name)}, had{version: strings.Clone(version)})
		}
	}
	if has.some < base.Len(t.typ) || t.awaited.len() > 0 {
		s.wildcardRest(t, has)
	}
	t.asked = t.asked || s.waits(t)
}

// wildcardRest queues what the client does not have.
func (s *session) wildcardRest(t *typeState, has possessions) {
	base := s.bases[t.typ]
	if has.nothing() && t.names.count == 0 && base.Len(t.typ) >= s.wholeFrom {
		t.queue.whole = bulk{whole: base.Listing(t.typ)}
		return
	}
	t.queue.grow(base.Len(t.typ) - has.some - len(has.other))
	base.All(t.typ, func(res *cache.Resource) bool {
		switch version := has.version(res.Name()); {
		case version == res.Version():
			t.awaited.pay(res.Name())
		case !t.names.has(res.Name()):
			t.queue.pushNew(entry{name: res.Name(), res: res, had: had{version: strings.Clone(version)}})
		}
		return true
	})
}

// resubscribe takes the changes of interest that any later request may carry, whatever its nonce.
func (s *session) resubscribe(t *typeState, r *request, now time.Time) {
	for _, name := range r.unsubscribe {
		s.unsubscribe(t, name)
	}
	if len(r.unsubscribe) > 0 {
		t.batches.drop(func(e entry) bool { return !t.visible(e.name) })
	}
	for _, name := range r.subscribe {
		if name == wildcard {
			s.subscribeAll(t)
			continue
		}
		name = intern(s.target.Get(t.typ, name), name)
		fresh := t.names.add(name)
		s.answer(t, name, fresh && !t.wildcard, now)
	}
}

// intern returns the resource's own string of a name, so that streams do not each hold a copy, or one that does
// not keep the whole request alive.
func intern(res *cache.Resource, name string) string {
	if res != nil {
		return res.Name()
	}
	return strings.Clone(name)
}

// subscribeAll answers a wildcard that was not there before.
func (s *session) subscribeAll(t *typeState) {
	t.mustAnswer, t.asked = true, true
	if t.wildcard {
		return
	}
	t.wildcard = true
	if t.typ == cache.Secret {
		return
	}
	s.bases[t.typ].All(t.typ, func(res *cache.Resource) bool {
		if !t.names.has(res.Name()) {
			s.enqueue(t, entry{name: res.Name(), res: res}, false)
		}
		return true
	})
}

// answer sends a name that was subscribed to, or says that it is missing: always, even when it is
// believed to be known, because only the client knows why it asks.
func (s *session) answer(t *typeState, name string, fresh bool, now time.Time) {
	if t.typ == cache.Secret {
		s.askSecret(name, "", now)
		return
	}
	e := entry{name: name, res: s.get(t, name), asked: true, fresh: fresh}
	if !fresh {
		e.had = t.has(name, e.res)
	}
	if rm, ok := s.removals.get(cache.Ref{Type: t.typ, Name: name}); ok && rm.had.res != nil && !t.flight.has(name) {
		// It is to go, but has not gone: until then the client has it.
		e.res, e.had = rm.had.res, rm.had
	}
	s.enqueue(t, e, fresh)
}

// has returns what the client has of a name for which the snapshot holds res.
func (t *typeState) has(name string, res *cache.Resource) had {
	if p, ok := t.parked[name]; ok {
		return p.had
	}
	if w, ok := t.withheld[name]; ok {
		return w.had
	}
	return hadOf(res)
}

// enqueue adds an answer, wherever its name already waits. A fresh name is known not to be in the queue.
func (s *session) enqueue(t *typeState, e entry, fresh bool) {
	if e.res == nil && !s.synced {
		if t.unsure == nil {
			t.unsure = map[string]struct{}{}
		}
		t.unsure[e.name] = struct{}{}
		return
	}
	if again := t.batches.get(e.name); again != nil {
		t.asked = t.asked || e.asked
		again.asked = again.asked || e.asked
		if e.fresh {
			again.had = had{}
		}
		return
	}
	if t.urgent.has(e.name) || t.hurries(e) {
		t.hurry(e)
		return
	}
	t.asked = t.asked || e.asked
	if fresh {
		t.queue.pushNew(e)
		return
	}
	t.queue.push(e)
}

// answerUnsure answers what was missing before the sources were synced.
func (s *session) answerUnsure(t *typeState) {
	for _, name := range sortedKeys(t.unsure) {
		if t.names.has(name) {
			s.enqueue(t, entry{name: name, res: s.get(t, name), asked: true}, false)
		}
	}
	t.unsure = nil
}

// unsubscribe ends the interest in a name. One that was never subscribed to is ignored.
func (s *session) unsubscribe(t *typeState, name string) {
	if name == wildcard {
		s.unsubscribeAll(t)
		return
	}
	if !t.names.has(name) {
		return
	}
	name = intern(s.bases[t.typ].Get(t.typ, name), name)
	t.names.remove(name)
	if t.wildcard && t.typ != cache.Secret {
		// The client cannot know whether the wildcard still holds the name: it is told.
		res := s.get(t, name)
		s.enqueue(t, entry{name: name, res: res, had: t.has(name, res), asked: true}, false)
		return
	}
	s.drop(t, name)
}

// unsubscribeAll leaves the explicit names only.
func (s *session) unsubscribeAll(t *typeState) {
	if !t.wildcard {
		return
	}
	t.wildcard = false
	t.mustAnswer = false
	for _, q := range []*queue{&t.queue, &t.urgent} {
		q.spill()
		for _, e := range q.list {
			if e.name != "" && !t.names.has(e.name) {
				q.drop(e.name)
			}
		}
	}
	for name := range t.parked {
		s.dropUnlessNamed(t, name)
	}
	for name := range t.withheld {
		s.dropUnlessNamed(t, name)
	}
	for _, name := range s.removals.names(t.typ) {
		s.dropUnlessNamed(t, name)
	}
}

func (s *session) dropUnlessNamed(t *typeState, name string) {
	if !t.names.has(name) {
		s.drop(t, name)
	}
}

// drop forgets everything about a name that the client does not want any more.
func (s *session) drop(t *typeState, name string) {
	t.queue.drop(name)
	t.urgent.drop(name)
	t.awaited.pay(name)
	delete(t.unsure, name)
	delete(t.refused, name)
	s.forget(t, name, had{})
	if t.typ == cache.Secret {
		s.secrets.drop(name)
	}
}
