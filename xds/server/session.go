package server

import (
	"fmt"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"outrigger.dev/outrigger/xds/cache"
)

// settings are shared by all sessions and read-only.
type settings struct {
	timing   Timing
	limits   Limits
	observer Observer
	heads    *heads
	refusals *refusals
	// wholeFrom is from how many resources of a type on a first request for all of them is answered as one.
	wholeFrom int
}

// session is the state machine of one stream. It has no goroutine, clock or
// I/O: one goroutine at a time calls it with events and the present time, and
// takes the responses to be sent from it, in order.
type session struct {
	// What every event looks at comes first: with thousands of streams, each line of memory of its own that a stream
	// touches has to be fetched.

	*settings
	// latest is the newest snapshot; target is the one that the present round brings the client to.
	latest, target *cache.Snapshot
	// bases are, by type, what the client has once queue and flight are done, but for refusals and removals.
	bases [cache.NumTypes]*cache.Snapshot
	// requested are the types that the client asked for, stirred those that are not at rest.
	requested, stirred typeMask
	// synced is false while names may be missing only because a source has not told them yet.
	synced   bool
	draining bool
	// settled is the last publication that the client has all of that it will get.
	settled cache.Rev
	// round counts, so that what is withheld knows what it came with.
	round uint64
	// wokenAt is when latest first differed from target; zero while it does not.
	wokenAt time.Time
	outbox  []*response
	// one has room for the usual outbox.
	one [1]*response
	// ahead are the assignments that overtook the round, in the place of what their base holds; nil for none.
	ahead map[string]*cache.Resource
	// asked counts the requests that answered nothing of ours.
	asked uint64
	// named is how many bytes of names the client has the session hold.
	named    int
	nonces   rand.Source
	removals removals
	secrets  secretBook

	types [cache.NumTypes]typeState

	peer      Peer
	agent     string
	nackShare share
}

// typeState is what a session knows of one type.
type typeState struct {
	typ      cache.Type
	wildcard bool
	// asked says that the queue holds what a request waits for.
	asked bool
	// mustAnswer says that a request waits even if the answer is empty.
	mustAnswer bool
	// awaiting says that the awaited names hold up the steps behind.
	awaiting bool
	// absent says that the client was waited for in vain: it never asks for the type.
	absent bool

	sent, acked, nacked uint64

	flight flight
	// queue is what is to be sent; batches go before it, each as a response of its own.
	queue   queue
	batches batches
	// urgent is what the client needs before it acknowledges what it was sent: it goes although that is not complete.
	urgent queue
	// blockedAt is since when the queue waits for another type; zero when it does not.
	blockedAt time.Time

	// awaited are names that a resource which was sent references, and that are not yet answered and
	// acknowledged since. They hold the steps behind up while awaiting is set: until awaitUntil, which is
	// zero while the response that references them is not answered.
	awaited    debts
	awaitUntil time.Time

	parked   map[string]parkedContent
	withheld map[string]withheldContent
	refused  refusedVersions
	// unsure are names that were asked for and are missing, but perhaps not for long.
	unsure map[string]struct{}
	names  nameSet
}

// newSession begins at a snapshot. What nonces yields must not be guessed by a client: an answer with a
// response's nonce is taken as proof that the client has read it.
func newSession(shared *settings, peer Peer, snapshot *cache.Snapshot, nonces rand.Source) *session {
	s := &session{
		settings: shared, peer: peer, latest: snapshot, target: snapshot,
		settled: snapshot.Rev(), synced: true, nonces: nonces,
	}
	for i := range s.types {
		s.types[i].typ = cache.Type(i)
		s.types[i].names.typ = cache.Type(i)
	}
	return s
}

// visible reports whether the client wants the name.
func (t *typeState) visible(name string) bool { return t.wildcard || t.names.has(name) }

// onSnapshot takes a newer snapshot of the view, or that of a new view.
func (s *session) onSnapshot(now time.Time, snapshot *cache.Snapshot) {
	since := s.latest
	s.latest = snapshot
	if s.wokenAt.IsZero() {
		s.wokenAt = now
	}
	s.overtake(since)
	s.pump(now)
}

// onSynced says that from now on what is missing is missing.
func (s *session) onSynced(now time.Time) {
	s.synced = true
	s.stirred = allTypes
	for i := range s.types {
		s.answerUnsure(&s.types[i])
	}
	s.pump(now)
}

// onDrain stops everything that is not in flight.
func (s *session) onDrain() { s.draining = true }

// onTimer is to be called at deadline. The error, a gRPC status, ends the stream.
func (s *session) onTimer(now time.Time) error {
	for m := s.stirred; m != 0; m &= m - 1 {
		t := &s.types[m.first()]
		if t.flight.flies() && now.Sub(t.flight.sentAt) >= s.timing.Ack {
			return status.Errorf(codes.DeadlineExceeded, "no answer to a response of %s for %s", t.typ, s.timing.Ack)
		}
	}
	s.renewSecrets(now)
	s.pump(now)
	return nil
}

// sees returns the newest snapshot that the session knows.
func (s *session) sees() *cache.Snapshot { return s.latest }

// unsynced says that what is missing may only not have been told yet.
func (s *session) unsynced() { s.synced = false }

func (s *session) drains() bool { return s.draining }

func (s *session) waiting() int { return len(s.outbox) }

func (s *session) unasked() uint64 { return s.asked }

func (s *session) settledAt() cache.Rev { return s.settled }

func (s *session) sentAt() cache.Rev {
	for m := s.stirred; m != 0; m &= m - 1 {
		if t := &s.types[m.first()]; s.requested.has(t.typ) && s.waits(t) {
			return s.settled
		}
	}
	return s.target.Rev()
}

func (s *session) begun() bool { return s.requested.has(cache.Listener) && s.complete() }

// deadline returns when onTimer is to be called next; zero if never.
func (s *session) deadline(now time.Time) time.Time {
	var next time.Time
	for m := s.stirred; m != 0; m &= m - 1 {
		t := &s.types[m.first()]
		if t.flight.flies() {
			earliest(&next, t.flight.sentAt.Add(s.timing.Ack))
		}
		if !t.blockedAt.IsZero() && t.asked {
			earliest(&next, t.blockedAt.Add(s.timing.Step))
		}
		earliest(&next, t.awaitUntil)
	}
	earliest(&next, s.removals.next)
	earliest(&next, s.secrets.deadline(now))
	return next
}

// earliest puts t in the place of a later or no time; a zero t is none.
func earliest(next *time.Time, t time.Time) {
	if !t.IsZero() && (next.IsZero() || t.Before(*next)) {
		*next = t
	}
}

// take returns the responses to be sent, in order. They are to be looked at before the next event.
func (s *session) take() []*response {
	out := s.outbox
	s.outbox = nil
	return out
}

func (s *session) post(r *response) {
	if s.outbox == nil {
		s.outbox = s.one[:0]
	}
	s.outbox = append(s.outbox, r)
}

// idle reports whether nothing is in flight.
func (s *session) idle() bool {
	for m := s.stirred; m != 0; m &= m - 1 {
		if s.types[m.first()].flight.flies() {
			return false
		}
	}
	return true
}

// begin starts the round that brings the client to the latest snapshot. Nothing is queued or in flight.
func (s *session) begin(now time.Time) {
	s.target = s.latest
	s.round++
	if !s.wokenAt.IsZero() {
		s.observer.Queued(now.Sub(s.wokenAt))
		s.wokenAt = time.Time{}
	}
	for m := s.requested &^ (1 << cache.Secret); m != 0; m &= m - 1 {
		s.advance(m.first())
	}
	s.release()
}

// advance queues what differs between what the client has of a type and the target.
func (s *session) advance(typ cache.Type) {
	t := &s.types[typ]
	var ahead map[string]*cache.Resource
	if typ == cache.Endpoints { // Nothing else overtakes.
		ahead = s.catchUp(t)
	}
	for _, c := range s.target.Since(s.bases[typ], typ) {
		if c.Older == nil || ahead[c.Older.Name()] == nil {
			s.changed(t, c.Older, c.Newer)
		}
	}
	s.bases[typ] = s.target
}

// changed takes the difference of one name between what the client has, or was about to, and the target.
func (s *session) changed(t *typeState, older, newer *cache.Resource) {
	s.stir(t.typ)
	switch {
	case newer == nil:
		wanted := t.wildcard || t.names.knows(older.Name(), true)
		t.names.went(older.Name())
		if wanted {
			s.gone(t, older)
		}
	case t.wildcard || t.names.knows(newer.Name(), older != nil):
		if older == nil {
			t.names.came(newer.Name())
		}
		s.update(t, older, newer)
	case older == nil:
		t.names.came(newer.Name())
	}
}

// update queues a new version of a name, unless the client has it or refused it.
func (s *session) update(t *typeState, older, newer *cache.Resource) {
	name := newer.Name()
	delete(t.unsure, name)
	h := s.forget(t, name, hadOf(older))
	switch {
	case h.version == newer.Version():
	case t.refused.holds(name, newer.Version()):
		t.park(s.round, entry{name: name, res: newer, had: h}, "the client refused this content before")
	case t.typ == cache.Endpoints && older != nil && s.stirred&(1<<cache.Cluster) != 0 && s.stands(name):
		t.urgent.pushNew(entry{name: name, res: newer, had: h})
	default:
		t.queue.pushNew(entry{name: name, res: newer, had: h})
	}
}

// gone puts a name on the removal queue, if the client has anything of it.
func (s *session) gone(t *typeState, older *cache.Resource) {
	h := s.forget(t, older.Name(), hadOf(older))
	if h.version == "" {
		return
	}
	s.removals.add(cache.Ref{Type: t.typ, Name: older.Name()}, h)
	s.unawait(older)
}

// forget drops what is special about a name and returns what the client has of it, which is otherwise
// what the snapshot says.
func (s *session) forget(t *typeState, name string, otherwise had) had {
	if rm, ok := s.removals.cancel(cache.Ref{Type: t.typ, Name: name}); ok {
		return rm.had
	}
	if p, ok := t.parked[name]; ok {
		delete(t.parked, name)
		return p.had
	}
	if w, ok := t.withheld[name]; ok {
		delete(t.withheld, name)
		return w.had
	}
	return otherwise
}

// onRequest takes one message. The error, a gRPC status, ends the stream.
func (s *session) onRequest(now time.Time, r *request) error {
	if err := s.check(r); err != nil {
		return err
	}
	if !r.known {
		s.asked++
		s.answerUnknown(r)
		return nil
	}
	t := s.stir(r.typ)
	s.answered(t, r, now)
	if s.requested.has(t.typ) {
		s.resubscribe(t, r, now)
	} else {
		s.subscribeFirst(t, r, now)
	}
	if err := s.checkHeld(t, r); err != nil {
		return err
	}
	s.pump(now)
	return nil
}

// checkHeld bounds how much of what the client said is held for it. Only a request that names something has changed its
// names.
func (s *session) checkHeld(t *typeState, r *request) error {
	if len(r.subscribe) > 0 || len(r.unsubscribe) > 0 {
		s.named = s.nameBytes()
		if n := t.names.count; n > s.limits.NamesPerType {
			s.observer.Refused(ReasonLimit)
			return status.Errorf(codes.ResourceExhausted, "%d names of %s, at most %d", n, t.typ, s.limits.NamesPerType)
		}
	}
	if n := s.named + s.removals.bytes; n > s.limits.StreamBytes {
		s.observer.Refused(ReasonLimit)
		return status.Errorf(codes.ResourceExhausted, "names of %d bytes in all, at most %d", n, s.limits.StreamBytes)
	}
	return nil
}

func (s *session) nameBytes() int {
	n := 0
	for i := range s.types {
		n += s.types[i].names.bytes
	}
	return n
}

// check refuses what no client needs.
func (s *session) check(r *request) error {
	if r.malformed != nil {
		return s.invalid(r.malformed.Error())
	}
	if !r.known && r.url == "" {
		return s.invalid("a request without type_url")
	}
	if len(r.url) > s.limits.NameBytes {
		return s.invalid(fmt.Sprintf("a type_url of %d bytes, at most %d", len(r.url), s.limits.NameBytes))
	}
	if n := max(len(r.subscribe), len(r.unsubscribe), len(r.versions)); n > s.limits.NamesPerType {
		s.observer.Refused(ReasonLimit)
		return status.Errorf(codes.ResourceExhausted, "%d names in one request, at most %d", n, s.limits.NamesPerType)
	}
	return s.checkNames(r)
}

// checkNames bounds every name and version of a request.
func (s *session) checkNames(r *request) error {
	for _, name := range r.subscribe {
		if name == "" || len(name) > s.limits.NameBytes {
			return s.invalid(fmt.Sprintf("a name of %d bytes, want 1 to %d", len(name), s.limits.NameBytes))
		}
	}
	for _, name := range r.unsubscribe {
		if len(name) > s.limits.NameBytes {
			return s.invalid(fmt.Sprintf("a name of %d bytes to unsubscribe, at most %d", len(name), s.limits.NameBytes))
		}
	}
	for _, h := range r.versions {
		if n := max(len(h.name), len(h.version)); n > s.limits.NameBytes {
			return s.invalid(fmt.Sprintf("a name or version of %d bytes among the initial ones, at most %d", n, s.limits.NameBytes))
		}
	}
	return nil
}

func (s *session) invalid(problem string) error {
	s.observer.Refused(ReasonInvalid)
	return status.Error(codes.InvalidArgument, problem)
}

// answerUnknown answers the names of a type that is not served as missing, without remembering them.
func (s *session) answerUnknown(r *request) {
	if len(r.subscribe) == 0 && r.nonce.some() {
		return // It answers a response of ours.
	}
	seen := make(map[string]struct{}, len(r.subscribe))
	var missing []string
	for _, name := range r.subscribe {
		if _, twice := seen[name]; !twice && name != wildcard {
			seen[name] = struct{}{}
			missing = append(missing, name)
		}
	}
	out := newResponse(Push{Type: cache.Type(cache.NumTypes), Removed: len(missing)}, members{})
	out.frame(s.heads.of(r.url), nonceFrom(s.nonces), s.target.Rev(), missing)
	s.post(out)
}
