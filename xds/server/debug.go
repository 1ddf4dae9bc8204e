package server

import (
	"context"
	"slices"
	"strings"
	"time"

	"outrigger.dev/outrigger/xds/cache"
)

// StreamInfo is what one stream looked like at one moment. It holds names and versions, never bodies.
type StreamInfo struct {
	Peer  Peer      `json:"peer"`
	Agent string    `json:"agent"`
	Since time.Time `json:"since"`
	// Settled is the last publication that the client has all of; Latest is the newest that concerns it.
	Settled cache.Rev `json:"settled"`
	Latest  cache.Rev `json:"latest"`
	// IdentityExpires is when the leaf certificate that the client was given ends; zero if it has none from here.
	IdentityExpires time.Time  `json:"identityExpires"`
	Types           []TypeInfo `json:"types"`
}

// Lagging reports whether the client does not have the newest publication yet.
func (i StreamInfo) Lagging() bool { return i.Settled < i.Latest }

// TypeInfo is what one stream knows of one type.
type TypeInfo struct {
	Type string `json:"type"`
	// Wildcard says that the client asked for everything; Subscribed counts the names that it asked for.
	Wildcard   bool `json:"wildcard"`
	Subscribed int  `json:"subscribed"`
	// Sent, Acked and Refused count over the life of the stream: members, members, responses.
	Sent    uint64 `json:"sent"`
	Acked   uint64 `json:"acked"`
	Refused uint64 `json:"refused"`
	// Pending counts what is to be sent or not answered yet; Removing what is to go later.
	Pending  int `json:"pending"`
	Removing int `json:"removing"`
	// Lagging are the first 20 names of those pending, in the order in which they go.
	Lagging []LaggingInfo `json:"lagging,omitempty"`
	// Parked is content that the client refused; Withheld content that references it.
	Parked   []ParkedInfo `json:"parked,omitempty"`
	Withheld []ParkedInfo `json:"withheld,omitempty"`
}

// LaggingInfo is a name of which the client does not have what it is to have.
type LaggingInfo struct {
	Name string `json:"name"`
	// Has and Wants are versions; an empty Has is nothing, an empty Wants says that it is to go.
	Has   string `json:"has"`
	Wants string `json:"wants"`
	// Sent says that it waits for the client's answer; otherwise it waits for another type.
	Sent bool `json:"sent"`
}

// maxLagging bounds the names that are told of one type of one stream.
const maxLagging = 20

// ParkedInfo is content that a client does not get.
type ParkedInfo struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	// Has is the version that the client has instead, empty if none.
	Has   string `json:"has"`
	Owner string `json:"owner"`
	// Error is the client's text, at most 1 KB.
	Error string `json:"error,omitempty"`
}

// Streams asks every open stream how it is, in the order of their nodes. A
// stream that does not answer before ctx ends is left out. No stream is stopped for it.
func (s *Server) Streams(ctx context.Context) []StreamInfo {
	streams := s.open()
	replies := make([]reply, len(streams))
	for i, st := range streams {
		if st.live.Load() {
			replies[i] = st.ask()
		}
	}
	infos := make([]StreamInfo, 0, len(streams))
	for i, st := range streams {
		if info, ok := st.answer(ctx, replies[i]); ok {
			infos = append(infos, info)
		}
	}
	slices.SortStableFunc(infos, func(a, b StreamInfo) int { return strings.Compare(a.Peer.Node, b.Peer.Node) })
	return infos
}

func (s *Server) open() []*stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	streams := make([]*stream, 0, len(s.streams))
	for st := range s.streams {
		streams = append(streams, st)
	}
	return streams
}

func (st *stream) info() StreamInfo {
	info := StreamInfo{Peer: st.peer, Since: st.openedAt}
	st.session.describe(&info)
	return info
}

func (s *session) describe(info *StreamInfo) {
	info.Agent, info.Settled, info.Latest = s.agent, s.settled, s.latest.Rev()
	info.IdentityExpires = s.secrets.expires()
	for m := s.requested; m != 0; m &= m - 1 {
		info.Types = append(info.Types, s.typeInfo(&s.types[m.first()]))
	}
}

func (s *session) typeInfo(t *typeState) TypeInfo {
	info := TypeInfo{
		Type: t.typ.String(), Wildcard: t.wildcard, Subscribed: t.names.count,
		Sent: t.sent, Acked: t.acked, Refused: t.nacked, Removing: len(s.removals.names(t.typ)),
	}
	info.Lagging, info.Pending = t.lagging()
	for _, name := range sortedKeys(t.parked) {
		p := t.parked[name]
		info.Parked = append(info.Parked, ParkedInfo{
			Name: name, Version: p.res.Version(), Has: p.had.version, Owner: p.res.Owner(), Error: p.err,
		})
	}
	for _, name := range sortedKeys(t.withheld) {
		w := t.withheld[name]
		info.Withheld = append(info.Withheld, ParkedInfo{
			Name: name, Version: w.res.Version(), Has: w.had.version, Owner: w.res.Owner(),
		})
	}
	return info
}

// lagging returns the first names that are to be sent or not answered, and how many there are.
func (t *typeState) lagging() (first []LaggingInfo, all int) {
	count := func(m members, sent bool) {
		all += m.len()
		for _, e := range m.first(maxLagging + t.queue.void + t.urgent.void) {
			if e.name != "" && len(first) < maxLagging {
				first = append(first, LaggingInfo{Name: e.name, Has: e.had.version, Wants: e.version(), Sent: sent})
			}
		}
	}
	if t.flight.flies() {
		count(t.flight.members, true)
	}
	for _, batch := range t.batches.list {
		count(members{entries: batch}, false)
	}
	for _, q := range []*queue{&t.urgent, &t.queue} {
		count(members{bulk: q.whole}, false)
		count(members{entries: q.list}, false)
		all -= q.void
	}
	return first, all
}

// expires returns when the first of the certificates that are not roots ends.
func (b *secretBook) expires() time.Time {
	var first time.Time
	for name, st := range b.byName {
		if name != RootsName && st.have != "" {
			earliest(&first, st.expires)
		}
	}
	return first
}
