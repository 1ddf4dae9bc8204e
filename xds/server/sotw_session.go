package server

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"outrigger.dev/outrigger/xds/cache"
)

// sotwSession is the state machine of one stream of state-of-the-world discovery, which programs of gRPC speak. It has
// no goroutine, clock or I/O, and serves no secrets: such programs read theirs from files.
//
// A response holds what the client wants: all of it for listeners and clusters, where
// absence means deletion, and else what the client lacks. Its version is that of
// everything that the client then has, so that a client that comes back with it, to any replica, is answered by
// silence. One response is in flight per type; a request with another nonce than that of the last response is ignored,
// because an answer to that response, with the present names, is on its way.
//
// A version says nothing of names that the client gave up since it got it. That is why it gets a new one
// then, even without a body. Only a client that gives a name up, loses the stream before it heard of that, and asks for
// the name anew on the next with the old version, is answered by silence wrongly; the names of gRPC's
// clusters and routes follow from responses, so that it does not. What a client took of a response that it
// refused as a whole, and then lost its stream, is as little part of its version.
type sotwSession struct {
	*settings
	peer  Peer
	agent string

	latest  *cache.Snapshot
	settled cache.Rev
	// synced is false while names may be missing only because a source has not told them yet.
	synced   bool
	draining bool

	types [cache.NumTypes]sotwType
	// leaveAt is when the next of what has gone may leave; zero when nothing has.
	leaveAt time.Time
	nonces  rand.Source
	outbox  []*response
	// asked counts the requests that answered nothing of ours.
	asked     uint64
	nackShare share
}

// sotwOrder is the order in which a change is sent.
var sotwOrder = [...]cache.Type{cache.Cluster, cache.Endpoints, cache.Listener, cache.Route}

// newSotwSession begins at a snapshot. Of nonces the same is true as for newSession.
func newSotwSession(shared *settings, peer Peer, snapshot *cache.Snapshot, nonces rand.Source) *sotwSession {
	s := &sotwSession{
		settings: shared, peer: peer, latest: snapshot, settled: snapshot.Rev(), synced: true, nonces: nonces,
	}
	for i := range s.types {
		s.types[i].typ = cache.Type(i)
	}
	return s
}

func (s *sotwSession) onSnapshot(now time.Time, snapshot *cache.Snapshot) {
	s.latest = snapshot
	s.pump(now)
}

func (s *sotwSession) onSynced(now time.Time) {
	s.synced = true
	s.pump(now)
}

func (s *sotwSession) onDrain() { s.draining = true }

func (s *sotwSession) onTimer(now time.Time) error {
	for _, typ := range sotwOrder {
		t := &s.types[typ]
		if t.flight != nil && now.Sub(t.flight.sentAt) >= s.timing.Ack {
			return status.Errorf(codes.DeadlineExceeded, "no answer to a response of %s for %s", typ, s.timing.Ack)
		}
	}
	s.pump(now)
	return nil
}

func (s *sotwSession) deadline(time.Time) time.Time {
	var next time.Time
	for _, typ := range sotwOrder {
		t := &s.types[typ]
		if t.flight != nil {
			earliest(&next, t.flight.sentAt.Add(s.timing.Ack))
		}
		if !t.blockedAt.IsZero() && t.waitsForAnswer() {
			earliest(&next, t.blockedAt.Add(s.timing.Step))
		}
	}
	earliest(&next, s.leaveAt)
	return next
}

func (s *sotwSession) take() []*response {
	out := s.outbox
	s.outbox = nil
	return out
}

func (s *sotwSession) sees() *cache.Snapshot { return s.latest }

func (s *sotwSession) unsynced() { s.synced = false }

func (s *sotwSession) drains() bool { return s.draining }

func (s *sotwSession) waiting() int { return len(s.outbox) }

func (s *sotwSession) idle() bool {
	for i := range s.types {
		if s.types[i].flight != nil {
			return false
		}
	}
	return true
}

func (s *sotwSession) begun() bool { return s.types[cache.Listener].requested && s.complete() }

func (s *sotwSession) unasked() uint64 { return s.asked }

func (s *sotwSession) settledAt() cache.Rev { return s.settled }

// sentAt knows no more than what was answered.
func (s *sotwSession) sentAt() cache.Rev { return s.settled }

// onRequest takes one message.
func (s *sotwSession) onRequest(now time.Time, r *request) error {
	if err := s.check(r); err != nil {
		return err
	}
	if !r.known || r.typ == cache.Secret {
		s.asked++
		s.answerUnknown(r)
		return nil
	}
	t := &s.types[r.typ]
	switch {
	case !t.requested:
		s.asked++
		s.first(t, r)
	case r.nonce != t.nonce:
		s.asked++
		return nil
	default:
		s.answered(t, r, now)
		t.asked = t.setNames(r.subscribe) || t.asked
	}
	if n := s.nameBytes(); n > s.limits.StreamBytes {
		s.observer.Refused(ReasonLimit)
		return status.Errorf(codes.ResourceExhausted, "the names that the stream has the server hold are %d bytes long, at most %d", n, s.limits.StreamBytes)
	}
	s.pump(now)
	return nil
}

// nameBytes is how much of what the client said is held for it.
func (s *sotwSession) nameBytes() int {
	n := 0
	for i := range s.types {
		n += s.types[i].bytes
	}
	return n
}

// first takes the first request of a type on the stream: all that the client wants, and the version of what it has
// from an earlier stream.
func (s *sotwSession) first(t *sotwType, r *request) {
	t.requested = true
	t.told, t.leaving = map[string]*cache.Resource{}, map[string]time.Time{}
	t.refused, t.doubt = refusedVersions{}, map[string]string{}
	t.setNames(r.subscribe)
	has := t.wanted(s.latest)
	version := r.stateVersion()
	t.returned = version != ""
	if version == "" || version != stateOf(has) {
		t.mustAnswer, t.asked = true, true
		return
	}
	for _, res := range has {
		t.told[res.Name()] = res
	}
}

// check refuses what no client needs.
func (s *sotwSession) check(r *request) error {
	switch n := len(r.subscribe); {
	case r.malformed != nil:
		return s.invalid(r.malformed.Error())
	case !r.known && r.url == "":
		return s.invalid("a request without type_url")
	case len(r.url) > s.limits.NameBytes:
		return s.invalid(fmt.Sprintf("a type_url of %d bytes, at most %d", len(r.url), s.limits.NameBytes))
	case len(r.stateVersion()) > s.limits.NameBytes:
		return s.invalid(fmt.Sprintf("a version of %d bytes, at most %d", len(r.stateVersion()), s.limits.NameBytes))
	case n > s.limits.NamesPerType:
		s.observer.Refused(ReasonLimit)
		return status.Errorf(codes.ResourceExhausted, "%d names in one request, at most %d", n, s.limits.NamesPerType)
	}
	for _, name := range r.subscribe {
		if name == "" || len(name) > s.limits.NameBytes {
			return s.invalid(fmt.Sprintf("a name of %d bytes, want 1 to %d", len(name), s.limits.NameBytes))
		}
	}
	return nil
}

func (s *sotwSession) invalid(problem string) error {
	s.observer.Refused(ReasonInvalid)
	return status.Error(codes.InvalidArgument, problem)
}

// answerUnknown answers the first request of a type that is not served as empty, without remembering it.
func (s *sotwSession) answerUnknown(r *request) {
	if r.nonce.some() {
		return // It answers a response of ours.
	}
	url := r.url
	if r.known {
		url = r.typ.URL()
	}
	out := s.heads.newSotwResponse(cache.Type(cache.NumTypes), url, nil)
	out.seal(stateOf(nil), nonceFrom(s.nonces))
	s.outbox = append(s.outbox, out)
}

// cloned returns a name that does not keep the whole request alive.
func cloned(name string) string { return strings.Clone(name) }
