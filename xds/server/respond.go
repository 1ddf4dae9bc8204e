package server

import (
	"time"

	"outrigger.dev/outrigger/xds/cache"
)

// send makes the next response of a type from its queue. It may find that nothing is to be sent after all.
func (s *session) send(t *typeState, now time.Time) {
	must := t.mustAnswer && s.synced
	members := s.nextBatch(t)
	if t.queue.empty() && len(t.batches) == 0 {
		t.asked = false
	}
	if len(members) == 0 && !must {
		return
	}
	if must {
		t.mustAnswer = false
	}
	s.respond(t, members, now)
}

// nextBatch takes what goes into one response.
func (s *session) nextBatch(t *typeState) []entry {
	if len(t.batches) == 0 {
		if members := s.fromQueue(t); len(members) > 0 {
			return members
		}
	}
	if len(t.batches) == 0 {
		return nil
	}
	members := t.batches[0]
	if t.batches = t.batches[1:]; len(t.batches) == 0 {
		t.batches = nil
	}
	return members
}

// fromQueue takes entries up to the limits of one response. What a client of that version is known to refuse
// goes alone, later; what references a refused resource stays back.
func (s *session) fromQueue(t *typeState) []entry {
	var members []entry
	if len(t.queue.list) <= s.limits.ResponseMembers {
		members = make([]entry, 0, len(t.queue.list))
	}
	size := 0
	t.queue.take(func(e entry) bool {
		e = s.unlessRefused(t, e)
		switch {
		case e.res == nil:
			size += len(e.name)
		case !e.asked && s.withhold(t, e):
			return true
		case s.refusals.contains(s.agent, e.res):
			t.batches = append(t.batches, []entry{e})
			return true
		default:
			size += len(e.res.Chunk())
		}
		delete(t.withheld, e.name)
		if len(members) > 0 && (size > s.limits.ResponseBytes || len(members) >= s.limits.ResponseMembers) {
			return false
		}
		members = append(members, e)
		return true
	})
	return members
}

// respond puts a response into the outbox and into flight.
func (s *session) respond(t *typeState, members []entry, now time.Time) {
	r := &response{entries: members, push: Push{Type: t.typ}}
	var removed []string
	for i := range members {
		res := members[i].res
		if res == nil {
			removed = append(removed, members[i].name)
			continue
		}
		r.push.Resources++
		r.push.Bytes += len(res.Chunk())
		if len(res.Refs()) > 0 {
			s.await(res, len(members))
		}
	}
	nonce := s.nextNonce()
	r.push.Removed = len(removed)
	r.frame(s.heads.typed[t.typ], nonce, s.target.Rev(), removed)
	t.sent += uint64(len(members))
	t.flight = &flight{nonce: nonce, entries: members, bytes: r.push.Bytes, sentAt: now}
	s.outbox = append(s.outbox, r)
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
