package server

import (
	"time"

	"outrigger.dev/outrigger/xds/cache"
)

// send makes the next response of a type from its queue. It may find that nothing is to be sent after all.
func (s *session) send(t *typeState, now time.Time) {
	must := t.mustAnswer && s.synced
	m := s.nextBatch(t)
	if t.queue.empty() && t.urgent.empty() && t.batches.empty() {
		t.asked = false
	}
	if m.len() == 0 && !must {
		return
	}
	if must {
		t.mustAnswer = false
	}
	s.respond(t, m, now)
}

// nextBatch takes what goes into one response.
func (s *session) nextBatch(t *typeState) members {
	if m := s.fromEither(t, &t.urgent); m.len() > 0 {
		return m
	}
	if t.batches.empty() {
		if m := s.fromEither(t, &t.queue); m.len() > 0 {
			return m
		}
	}
	return members{entries: t.batches.take()}
}

// fromEither takes what is whole, or else single entries.
func (s *session) fromEither(t *typeState, q *queue) members {
	if whole := s.fromWhole(q); whole.len() > 0 {
		return whole
	}
	return members{entries: s.fromQueue(t, q)}
}

// fromWhole takes all of a type at once, where it fits into one response and nothing of it needs a look.
func (s *session) fromWhole(q *queue) members {
	m := members{bulk: q.whole}
	if m.whole == nil {
		return m
	}
	if m.whole.Size() > s.limits.ResponseBytes || m.len() > s.limits.ResponseMembers || s.somethingRefused(m.whole) {
		q.spill()
		return members{}
	}
	q.whole = bulk{}
	return m
}

// somethingRefused reports whether this client refused anything, or others of its version something of what is listed.
func (s *session) somethingRefused(l *cache.Listing) bool {
	for i := range s.types {
		if t := &s.types[i]; len(t.parked) > 0 || len(t.refused) > 0 || len(t.withheld) > 0 {
			return true
		}
	}
	return s.refusals.touch(s.agent, l)
}

// fromQueue takes entries up to the limits of one response. What a client of that version is known to refuse
// goes alone, later; what references a refused resource stays back.
func (s *session) fromQueue(t *typeState, q *queue) []entry {
	// In place: no more is written than was read.
	entries := q.list[:0]
	size := 0
	q.take(func(e entry) bool {
		e = s.unlessRefused(t, e)
		switch {
		case e.res == nil:
			size += len(e.name)
		case !e.asked && s.withhold(t, e):
			return true
		case s.refusals.some() && s.refusals.contains(s.agent, e.res):
			t.batches.setAside(e, q == &t.urgent)
			return true
		default:
			size += len(e.res.Chunk())
		}
		delete(t.withheld, e.name)
		if len(entries) > 0 && (size > s.limits.ResponseBytes || len(entries) >= s.limits.ResponseMembers) {
			return false
		}
		entries = append(entries, e)
		return true
	})
	return entries
}

// respond puts a response into the outbox and into flight.
func (s *session) respond(t *typeState, m members, now time.Time) {
	r := newResponse(Push{Type: t.typ}, m)
	var removed []string
	if m.whole != nil {
		r.push.Resources, r.push.Bytes = m.len(), m.whole.Size()
		s.awaitAll(t.typ, m.whole)
	} else {
		removed = s.respondEach(r, m.entries)
	}
	if t.typ == cache.Cluster && s.requested.has(cache.Endpoints) {
		s.followAll(m.list())
	}
	nonce := nonceFrom(s.nonces)
	r.push.Removed = len(removed)
	r.frame(s.heads.typed[t.typ], nonce, s.target.Rev(), removed)
	t.sent += uint64(m.len())
	t.flight = flight{nonce: nonce, members: m, bytes: r.push.Bytes, sentAt: now}
	s.post(r)
}

// respondEach books the entries of a response and returns the names that it says are missing or removed.
func (s *session) respondEach(r *response, entries []entry) (removed []string) {
	for i := range entries {
		res := entries[i].res
		if res == nil {
			removed = append(removed, entries[i].name)
			continue
		}
		r.push.Resources++
		r.push.Bytes += len(res.Chunk())
		if len(res.Refs()) > 0 {
			s.await(res)
		}
	}
	return removed
}

// unlessRefused replaces content that this client refused by what it had before, or by nothing: it is
// never sent again, yet whoever asks is answered.
func (s *session) unlessRefused(t *typeState, e entry) entry {
	if e.res == nil || !t.refused.holds(e.name, e.res.Version()) {
		return e
	}
	if _, ok := t.parked[e.name]; !ok {
		t.park(s.round, e, "the client refused this content before")
	}
	p := t.parked[e.name]
	e.res = p.had.res
	switch {
	case e.res != nil:
	case p.had.version != "" && (t.typ == cache.Cluster || t.typ == cache.Listener):
		// What it has came on an earlier stream and works: saying "missing" would delete it.
		e.res = p.res
	default:
		p.had = had{}
		t.parked[e.name] = p
	}
	return e
}
