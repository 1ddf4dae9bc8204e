package server

import (
	"time"

	"outrigger.dev/outrigger/xds/cache"
)

// pump makes all responses that may go now, and begins the next round when the present one is complete.
func (s *session) pump(now time.Time) {
	defer s.rest()
	s.removals.next = time.Time{}
	for m := s.stirred; m != 0; m &= m - 1 {
		s.expire(&s.types[m.first()], now)
	}
	for {
		for t := range cache.Type(cache.NumTypes) {
			if s.stirred.has(t) { // What is sent may stir the types behind it.
				s.trySend(&s.types[t], now)
			}
		}
		if s.draining || !s.complete() {
			return
		}
		if s.queueRemovals(now) {
			continue
		}
		s.compact()
		s.settled = s.target.Rev()
		if s.latest == s.target {
			return
		}
		s.begin(now)
	}
}

// compact shrinks what the stream holds while it is at rest.
func (s *session) compact() {
	for m := s.stirred; m != 0; m &= m - 1 {
		if typ := m.first(); s.requested.has(typ) && typ != cache.Secret {
			s.types[typ].names.compact(&s.bases[typ])
		}
	}
}

// waits reports whether there is something to be sent.
func (s *session) waits(t *typeState) bool {
	return !t.queue.empty() || !t.urgent.empty() || !t.batches.empty() || t.mustAnswer && s.synced
}

// trySend makes the next response of a type, if it may go. One is in flight per type.
func (s *session) trySend(t *typeState, now time.Time) {
	for s.requested.has(t.typ) && !t.flight.flies() && !s.draining && s.waits(t) {
		if !s.mayGo(t, now) {
			return
		}
		s.send(t, now)
	}
	t.blockedAt = time.Time{}
}

// mayGo reports whether the steps before a type are complete. A push waits for them as long as the client
// takes to answer; a request is answered after a moment in any case.
func (s *session) mayGo(t *typeState, now time.Time) bool {
	if !s.behind(t.typ) || t.presses() {
		return true
	}
	if t.blockedAt.IsZero() {
		t.blockedAt = now
	}
	return t.asked && now.Sub(t.blockedAt) >= s.timing.Step
}

// behind reports whether a step before that of the type is incomplete.
func (s *session) behind(typ cache.Type) bool {
	for m := s.stirred.before(typ); m != 0; m &= m - 1 {
		t := &s.types[m.first()]
		if t.flight.flies() || s.requested.has(t.typ) && s.waits(t) || t.awaits() {
			return true
		}
	}
	return false
}

// complete reports whether every step of the round is.
func (s *session) complete() bool { return !s.behind(cache.Type(cache.NumTypes)) }

// awaits reports whether names that were referenced still have to be asked for and answered.
func (t *typeState) awaits() bool { return t.awaiting && t.awaited.len() > 0 }

// await notes what a resource that is being sent references: the steps behind wait for the answers.
func (s *session) await(res *cache.Resource) {
	for _, ref := range res.Refs() {
		if ref.Type > res.Type() && !s.has(ref) {
			t := s.stir(ref.Type)
			t.awaited.add(ref.Name)
			t.waitForAsking()
		}
	}
}

// awaitAll does the same for all that is listed of a type.
func (s *session) awaitAll(typ cache.Type, l *cache.Listing) {
	for i := int(typ) + 1; i < cache.NumTypes; i++ {
		names, t := l.References(cache.Type(i)), &s.types[i]
		switch {
		case names == nil:
		case t.awaited.len() == 0 && (!s.requested.has(t.typ) || t.typ == cache.Endpoints):
			s.stir(t.typ).awaited.addAll(names)
			t.waitForAsking()
		default:
			s.awaitEach(t, names)
		}
	}
}

func (s *session) awaitEach(t *typeState, names *cache.Names) {
	for i := range names.Len() {
		if name := names.At(i); !s.has(cache.Ref{Type: t.typ, Name: name}) {
			s.stir(t.typ).awaited.add(name)
			t.waitForAsking()
		}
	}
}

// waitForAsking begins to wait: the client can ask only when it has the response.
func (t *typeState) waitForAsking() { t.awaiting, t.awaitUntil = !t.absent, time.Time{} }

// countDown gives the client, which has just answered a response of the type, a moment to ask for what that references.
func (s *session) countDown(typ cache.Type, now time.Time) {
	for m := s.stirred &^ s.stirred.before(typ+1); m != 0; m &= m - 1 {
		if t := &s.types[m.first()]; t.awaits() {
			t.awaitUntil = now.Add(s.timing.Step)
		}
	}
}

// expire gives up on names that the client did not ask for in time; on the
// whole type, if it never asked for any.
func (s *session) expire(t *typeState, now time.Time) {
	if t.awaitUntil.IsZero() || now.Before(t.awaitUntil) {
		return
	}
	t.absent = !s.requested.has(t.typ) && t.awaits()
	t.awaiting, t.awaitUntil = false, time.Time{}
}

// has reports whether the client has an acknowledged answer about a name that stays good when a resource
// that references it changes. Endpoint assignments do not: Envoy waits for them anew.
func (s *session) has(ref cache.Ref) bool {
	t := &s.types[ref.Type]
	if t.typ == cache.Endpoints || !s.requested.has(t.typ) || !t.visible(ref.Name) || t.pending(ref.Name) {
		return false
	}
	return t.typ != cache.Secret || s.secrets.has(ref.Name)
}

// pending reports whether a name is about to be sent or not yet acknowledged.
func (t *typeState) pending(name string) bool {
	return t.queue.has(name) || t.urgent.has(name) || t.flight.has(name) || t.batches.get(name) != nil
}

// unawait drops what only this resource waited for.
func (s *session) unawait(res *cache.Resource) {
	for _, ref := range res.Refs() {
		s.types[ref.Type].awaited.pay(ref.Name)
	}
}
