package server

import (
	"time"

	"outrigger.dev/outrigger/xds/cache"
)

// answered takes the part of a request that answers the last response. Only an error makes it a refusal; the version
// that it carries says nothing that the nonce does not.
func (s *sotwSession) answered(t *sotwType, r *request, now time.Time) {
	f := t.flight
	t.flight = nil
	switch {
	case f == nil && r.refused:
		s.asked++
		t.nacked++
		s.report(Nack{Peer: s.peer, Type: t.typ, Agent: s.agent, Error: r.problem}, now)
	case f == nil:
		s.asked++
	case r.refused:
		s.refuse(t, f, r.problem, now)
	default:
		t.acked += uint64(len(f.members))
		s.observer.Acked(t.typ, now.Sub(f.sentAt))
	}
}

// refuse parks the contents of a response that the client does not take: the same are not sent again. gRPC judges each
// resource by itself and keeps the good ones, so that nothing is tried by halves.
func (s *sotwSession) refuse(t *sotwType, f *sotwFlight, problem string, now time.Time) {
	t.nacked++
	n := Nack{Peer: s.peer, Type: t.typ, Agent: s.agent, Members: len(f.members), Error: problem}
	if len(f.members) == 1 {
		res := f.members[0]
		n.Resource, n.Version, n.Owner = res.Name(), res.Version(), res.Owner()
		s.refusals.add(s.agent, res)
	}
	s.report(n, now)
	if t.whole() {
		t.refusedSet = f.version
	}
	t.stale = t.stale || f.stale && len(f.members) > 0
	alone := len(f.before) == 1
	for name, before := range f.before {
		told := t.told[name]
		if told == nil {
			continue // It is not wanted any more.
		}
		if alone {
			t.refused.add(name, told.Version())
		}
		if !alone || before == nil && t.returned {
			t.doubt[name] = told.Version()
		}
		if before == nil {
			delete(t.told, name)
			continue
		}
		t.told[name] = before
	}
}

// report tells the observer of a refusal.
func (s *sotwSession) report(n Nack, now time.Time) {
	n.Muted = n.isFinal() && !s.nackShare.take(now)
	s.observer.Nacked(n)
}

// describe fills in what the session knows.
func (s *sotwSession) describe(info *StreamInfo) {
	info.Agent, info.Settled, info.Latest = s.agent, s.settled, s.latest.Rev()
	for _, typ := range sotwOrder {
		t := &s.types[typ]
		if t.requested {
			info.Types = append(info.Types, s.typeInfo(t))
		}
	}
}

func (s *sotwSession) typeInfo(t *sotwType) TypeInfo {
	info := TypeInfo{
		Type: t.typ.String(), Wildcard: t.wildcard, Subscribed: len(t.names),
		Sent: t.sent, Acked: t.acked, Refused: t.nacked, Removing: len(t.leaving),
	}
	info.Lagging, info.Pending = s.lagging(t)
	for _, name := range sortedKeys(t.refused) {
		res := s.latest.Get(t.typ, name)
		if res == nil || !t.refused.holds(name, res.Version()) {
			continue
		}
		info.Parked = append(info.Parked, ParkedInfo{
			Name: name, Version: res.Version(), Has: versionIn(t.told, name), Owner: res.Owner(),
		})
	}
	return info
}

// lagging returns the first names of which the client does not have what it is to have, and how many there are.
func (s *sotwSession) lagging(t *sotwType) (first []LaggingInfo, all int) {
	add := func(name, has, wants string, sent bool) {
		if all++; len(first) < maxLagging {
			first = append(first, LaggingInfo{Name: name, Has: has, Wants: wants, Sent: sent})
		}
	}
	if t.flight != nil {
		for _, name := range sortedKeys(t.flight.before) {
			add(name, versionIn(t.flight.before, name), versionIn(t.told, name), true)
		}
	}
	for _, res := range t.wanted(s.latest) {
		if t.lacks(res) {
			add(res.Name(), versionIn(t.told, res.Name()), res.Version(), false)
		}
	}
	return first, all
}

func versionIn(told map[string]*cache.Resource, name string) string {
	if res := told[name]; res != nil {
		return res.Version()
	}
	return ""
}
