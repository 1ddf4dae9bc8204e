package server

import (
	"time"

	"outrigger.dev/outrigger/xds/cache"
)

// pump makes all responses that may go now.
func (s *sotwSession) pump(now time.Time) {
	s.leaveAt = time.Time{}
	for {
		for _, typ := range sotwOrder {
			s.trySend(&s.types[typ], now)
		}
		if s.draining || !s.complete() {
			return
		}
		if !s.beginLeaving(now) {
			break
		}
	}
	s.settled = s.latest.Rev()
}

// complete reports whether nothing is in flight or waits to be sent.
func (s *sotwSession) complete() bool {
	for _, typ := range sotwOrder {
		if t := &s.types[typ]; t.flight != nil || t.pending {
			return false
		}
	}
	return true
}

// trySend makes the next response of a type, if there is one and it may go.
func (s *sotwSession) trySend(t *sotwType, now time.Time) {
	t.pending = false
	if !t.requested || t.flight != nil || s.draining {
		return
	}
	p, ok := s.plan(t, now)
	if !ok {
		t.asked, t.blockedAt = false, time.Time{}
		return
	}
	if !s.mayGo(t, now) {
		t.pending = true
		return
	}
	t.blockedAt = time.Time{}
	s.send(t, p, now)
}

// mayGo reports whether the types before are done with. A push waits for them, a request for a moment only.
func (s *sotwSession) mayGo(t *sotwType, now time.Time) bool {
	for _, typ := range sotwOrder {
		if typ == t.typ {
			return true
		}
		if before := &s.types[typ]; before.flight != nil || before.pending {
			break
		}
	}
	if t.blockedAt.IsZero() {
		t.blockedAt = now
	}
	return t.waitsForAnswer() && now.Sub(t.blockedAt) >= s.timing.Step
}

// plan returns what the next response of a type holds; ok is false when none is due.
func (s *sotwSession) plan(t *sotwType, now time.Time) (members []*cache.Resource, ok bool) {
	wanted := t.wanted(s.latest)
	if !t.whole() {
		members = s.lacking(t, wanted)
		return members, len(members) > 0 || t.stale || t.mustAnswer && s.synced
	}
	if !s.synced && t.missing(s.latest) {
		return nil, false // What is not named is deleted, and may only not have been told yet.
	}
	members, differs := s.everything(t, wanted, now)
	return members, t.mustAnswer || (differs || t.stale) && stateOf(members) != t.refusedSet
}

// lacking returns what the client lacks, up to the limits of one response.
func (s *sotwSession) lacking(t *sotwType, wanted []*cache.Resource) []*cache.Resource {
	var out []*cache.Resource
	size := 0
	for _, res := range wanted {
		if !t.lacks(res) || t.refused.holds(res.Name(), res.Version()) || t.doubt[res.Name()] == res.Version() {
			continue
		}
		size += len(res.AnyChunk())
		if len(out) > 0 && (size > s.limits.ResponseBytes || len(out) >= s.limits.ResponseMembers) {
			break
		}
		out = append(out, res)
	}
	return out
}

// everything returns all that the client wants, in order, and whether it lacks any of that or has too much. What it is
// known to refuse is replaced by what it had; what has gone stays until it may leave.
func (s *sotwSession) everything(t *sotwType, wanted []*cache.Resource, now time.Time) (out []*cache.Resource, differs bool) {
	for _, res := range wanted {
		delete(t.leaving, res.Name())
		if t.refused.holds(res.Name(), res.Version()) {
			if res = t.told[res.Name()]; res == nil {
				continue
			}
		}
		differs = differs || t.lacks(res)
		out = append(out, res)
	}
	for _, name := range s.gone(t) {
		if s.mayLeave(t, name, now) {
			differs = true
		} else if res := t.told[name]; res != nil {
			out = append(out, res)
		}
	}
	sortByName(out)
	return out, differs
}

// gone returns what the client wants and has, or may have, and the snapshot does not hold.
func (s *sotwSession) gone(t *sotwType) []string {
	var out []string
	for name := range t.told {
		if s.latest.Get(t.typ, name) == nil {
			out = append(out, name)
		}
	}
	for name := range t.doubt {
		if t.told[name] == nil && s.latest.Get(t.typ, name) == nil {
			out = append(out, name)
		}
	}
	return out
}

// send puts a response into the outbox and into flight.
func (s *sotwSession) send(t *sotwType, members []*cache.Resource, now time.Time) {
	f := &sotwFlight{members: members, before: map[string]*cache.Resource{}, stale: t.stale, sentAt: now}
	if t.whole() {
		f.stale = s.drop(t, now) || f.stale
	}
	for _, res := range members {
		if t.lacks(res) {
			f.before[res.Name()] = t.told[res.Name()]
			t.told[res.Name()] = res
			delete(t.doubt, res.Name())
		}
	}
	if f.version = t.version(); t.whole() {
		f.version = stateOf(members)
	}
	r := s.heads.newSotwResponse(t.typ, t.typ.URL(), members)
	t.nonce = nonceFrom(s.nonces)
	r.seal(f.version, t.nonce)
	f.bytes = r.push.Bytes
	t.flight, t.mustAnswer, t.asked, t.stale = f, false, false, false
	t.sent += uint64(len(members))
	s.outbox = append(s.outbox, r)
}
