package server

import (
	"slices"
	"time"

	"outrigger.dev/outrigger/xds/cache"
)

// parkedContent is content that the client refused. It is not sent again.
type parkedContent struct {
	res   *cache.Resource
	had   had
	err   string
	round uint64
}

// refusedVersions remembers, per name, which versions the client refused on this stream.
type refusedVersions map[string][]string

// maxRefused bounds the versions that are remembered per name.
const maxRefused = 8

func (r refusedVersions) holds(name, version string) bool {
	return slices.Contains(r[name], version)
}

func (r refusedVersions) add(name, version string) {
	if r.holds(name, version) {
		return
	}
	versions := append(r[name], version)
	r[name] = versions[max(0, len(versions)-maxRefused):]
}

// park sets content aside that the client does not take.
func (t *typeState) park(round uint64, e entry, problem string) {
	if t.parked == nil {
		t.parked = map[string]parkedContent{}
	}
	t.parked[e.name] = parkedContent{res: e.res, had: e.had, err: problem, round: round}
}

// nack takes the refusal of a response. It names no member reliably, so the response is sent again by
// halves, until what is refused stands alone.
func (s *session) nack(t *typeState, f *flight, problem string, now time.Time) {
	t.nacked++
	members := t.current(f.members.list())
	if f.members.len() == 1 && len(members) == 1 {
		s.report(s.nackOf(t, f, &members[0], problem), now)
		s.refuse(t, members[0], problem)
		return
	}
	s.report(s.nackOf(t, f, nil, problem), now)
	if f.members.len() == 1 && t.visible(f.members.list()[0].name) {
		s.remember(t, f.members.list()[0]) // Something newer waits.
	}
	var again [][]entry
	if middle := len(members) / 2; middle > 0 {
		again = append(again, members[:middle:middle])
		members = members[middle:]
	}
	if len(members) > 0 {
		again = append(again, members)
	}
	t.batches.again(again)
}

// current returns the members that nothing newer waits for. One that was asked for again meanwhile is
// answered by the half that it goes into, or, standing alone, by what the client had before. One that stood alone and was taken back
// since leaves the client with what it has.
func (t *typeState) current(members []entry) []entry {
	var kept []entry
	for _, e := range members {
		if !t.visible(e.name) {
			continue
		}
		q := &t.queue
		if t.urgent.has(e.name) {
			q = &t.urgent
		}
		again, queued := q.get(e.name)
		same := queued && again.version() == e.version()
		if again.fresh {
			e.had = had{} // It gave the name up meanwhile, and what it had with it.
		}
		back := queued && again.version() == e.had.version && !again.asked && !e.asked
		if same && len(members) > 1 || back && len(members) == 1 {
			q.drop(e.name)
		} else if queued {
			q.setHad(e.name, e.had)
		}
		if !queued || same {
			kept = append(kept, e)
		}
	}
	return kept
}

func (s *session) nackOf(t *typeState, f *flight, alone *entry, problem string) Nack {
	n := Nack{Peer: s.peer, Type: t.typ, Agent: s.agent, Members: f.members.len(), Error: problem}
	if alone != nil && alone.res != nil {
		n.Resource, n.Version, n.Owner = alone.name, alone.res.Version(), alone.res.Owner()
	}
	return n
}

// refuse parks a content that was refused standing alone. A removal that is refused is not repeated.
func (s *session) refuse(t *typeState, e entry, problem string) {
	if e.res == nil {
		t.awaited.pay(e.name)
		s.removals.cancel(cache.Ref{Type: t.typ, Name: e.name})
		return
	}
	s.remember(t, e)
	if t.typ == cache.Secret {
		s.secrets.refused(&e)
		e.res = withoutBody(e.res)
	}
	t.park(s.round, e, problem)
	t.awaited.pay(e.name)
	s.unawait(e.res)
}

// remember has a content never sent again that was refused standing alone.
func (s *session) remember(t *typeState, e entry) {
	if e.res == nil {
		return
	}
	if t.refused == nil {
		t.refused = refusedVersions{}
	}
	t.refused.add(e.name, e.res.Version())
	s.refusals.add(s.agent, e.res)
}
