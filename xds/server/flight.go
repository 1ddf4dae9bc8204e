package server

import (
	"time"

	"outrigger.dev/outrigger/xds/cache"
)

// flight is a response that the client has not answered yet; without a nonce, none.
type flight struct {
	nonce   nonce
	members members
	bytes   int
	sentAt  time.Time
}

func (f *flight) flies() bool { return f.nonce.some() }

// has reports whether the name is a member.
func (f *flight) has(name string) bool { return f.members.has(name) }

func holds(members []entry, name string) bool {
	for i := range members {
		if members[i].name == name {
			return true
		}
	}
	return false
}

// answered takes the part of a request that answers a response. Other nonces mean nothing: the request
// is served all the same.
func (s *session) answered(t *typeState, r *request, now time.Time) {
	f := t.flight
	ours := f.flies() && r.nonce == f.nonce
	if !ours {
		s.asked++
	}
	switch {
	case ours && r.refused:
		t.flight = flight{}
		s.nack(t, &f, r.problem, now)
		s.countDown(t.typ, now)
	case ours:
		t.flight = flight{}
		t.acked += uint64(f.members.len())
		s.observer.Acked(t.typ, now.Sub(f.sentAt))
		s.done(t, f.members, now)
		s.countDown(t.typ, now)
		t.queue.reuse(f.members.entries)
	case r.refused:
		t.nacked++
		s.report(Nack{Peer: s.peer, Type: t.typ, Agent: s.agent, Error: r.problem}, now)
	}
}

// done books acknowledged entries. In the common case there is nothing to book.
func (s *session) done(t *typeState, m members, now time.Time) {
	switch {
	case s.removals.any() || t.typ == cache.Secret, m.whole == nil && t.awaited.len() > 0:
		list := m.list()
		for i := range list {
			s.doneOne(t, &list[i], now)
		}
	case m.whole != nil && t.awaited.len() > 0:
		t.awaited.payAll(m.whole.Names())
	}
	s.release()
}

func (s *session) doneOne(t *typeState, e *entry, now time.Time) {
	t.awaited.pay(e.name)
	if s.removals.any() {
		s.removals.acknowledged(cache.Ref{Type: t.typ, Name: e.name}, e, now)
	}
	if t.typ == cache.Secret && e.res != nil {
		s.secrets.acknowledged(e)
	}
}
