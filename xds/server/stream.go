package server

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"outrigger.dev/outrigger/xds/cache"
)

// transport carries the messages of one stream. recv is called by one goroutine
// and send by another; both return once the stream's handler has returned.
type transport interface {
	recv(r *request) error
	send(r *response) error
}

// stream is what stands around a session: it brings it events and the time, and carries its responses. Whoever has
// something for it takes its turn and does all that follows: who read a message from the client, or a
// goroutine of the server's line for mail and newer snapshots.
type stream struct {
	server    *Server
	peer      Peer
	transport transport
	openedAt  time.Time
	nonces    rand.Source
	turn      turn
	received  chan received
	mailbox   mailbox
	inquiries inquiries
	looping   atomic.Bool   // mail is opened from now on
	heard     atomic.Int64  // when the last message came, in Unix nanoseconds
	fetches   chan fetch    // of capacity one: at most one is under way
	ended     chan error    // of capacity one: why the last turn was the last
	done      chan struct{} // closed when run returns

	superseded bool // under the server's mu: it has been told to end

	// All below belongs to whoever has the turn.
	session machine
	// delta is session where that serves secrets, else nil.
	delta   *session
	sub     *cache.Subscription
	secrets SecretSession
	sendDue time.Time // zero when nothing is being sent
	careful bool      // what waits in gRPC is not known any more: no send at once
	pace    pace
	inGate  bool
	gateDue time.Time
	timer   *time.Timer
	armed   time.Time
}

// maxOutbox is how many responses may wait before no more requests are read.
const maxOutbox = 16

func newStream(s *Server, peer Peer, transport transport) *stream {
	var seed [32]byte
	_, _ = crand.Read(seed[:]) // It never fails.
	st := &stream{
		server: s, peer: peer, transport: transport, openedAt: time.Now(), nonces: rand.NewChaCha8(seed),
		received: make(chan received, 1), fetches: make(chan fetch, 1), ended: make(chan error, 1), done: make(chan struct{}),
	}
	st.mailbox.wake = st.wake
	st.heard.Store(st.openedAt.UnixNano())
	return st
}

// closing is how a stream ends: the word for metrics and the status for the client.
type closing struct {
	reason string
	err    error
}

// Error returns the status's text.
func (c *closing) Error() string { return fmt.Sprintf("%s: %v", c.reason, c.err) }

func closed(reason string, err error) error { return &closing{reason: reason, err: err} }

// run serves the stream until it ends, and returns why and the status for the client.
func (st *stream) run(ctx context.Context) (reason string, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer st.leave()
	defer cancel()
	defer close(st.done)
	return st.outcome(ctx, st.serve(ctx))
}

// outcome turns the error that ended a stream into a reason and a status.
func (st *stream) outcome(ctx context.Context, err error) (string, error) {
	var end *closing
	var fault *panicError
	switch {
	case errors.As(err, &fault):
		st.server.config.Logger.Error("stream panicked", "node", st.peer.Node, "error", fault, "stack", string(fault.stack))
		st.server.config.Observer.Panicked(st.peer)
		return ReasonPanic, status.Error(codes.Internal, "internal error")
	case errors.As(err, &end):
		return end.reason, end.err
	case err == nil, errors.Is(err, io.EOF):
		return ReasonClient, nil
	case ctx.Err() != nil:
		return ReasonClient, status.FromContextError(ctx.Err()).Err()
	case status.Code(err) == codes.ResourceExhausted:
		return ReasonLimit, err
	case status.Code(err) == codes.Canceled:
		return ReasonClient, err
	default:
		return ReasonInvalid, err
	}
}

func (st *stream) serve(ctx context.Context) (err error) {
	defer recovered(&err)
	st.server.work.Go(st.receive)
	first, err := st.first(ctx)
	if err != nil {
		return err
	}
	if err := st.open(ctx, first); err != nil {
		return err
	}
	if err := st.session.onRequest(time.Now(), first); err != nil {
		return err
	}
	return st.live(ctx)
}

// leave gives back what run took.
func (st *stream) leave() {
	if st.timer != nil {
		st.timer.Stop()
	}
	if st.sub != nil {
		st.sub.Close()
	}
	if st.secrets != nil {
		st.secrets.Close()
	}
	st.leaveGate()
}

func (st *stream) leaveGate() {
	if st.inGate {
		st.inGate = false
		st.server.gate.leave()
	}
}

// live gives the turn away, and waits for the end.
func (st *stream) live(ctx context.Context) error {
	st.looping.Store(true)
	st.mailbox.put(st.lookAround)
	// The receiver tells the end of the client, but not that an interceptor ended the stream.
	defer context.AfterFunc(ctx, func() { st.mailbox.put(ctx.Err) })()
	st.goOn()
	for {
		select {
		case err := <-st.ended:
			return err
		case wanted := <-st.fetches:
			st.startFetch(ctx, wanted)
		}
	}
}

// wake has something looked at that happened to the stream, soon. It never blocks.
func (st *stream) wake() {
	if st.turn.queue() {
		st.server.line.join(st)
	}
}

// goOn takes in all that has happened, and gives the turn back, which the caller has.
func (st *stream) goOn() {
	for {
		if err := st.step(); err != nil {
			st.turn.end()
			st.ended <- err
			return
		}
		if st.turn.give() {
			return
		}
	}
}

// step takes in all that has happened so far.
func (st *stream) step() (err error) {
	defer recovered(&err)
	if err := st.mailbox.open(); err != nil {
		return err
	}
	now := time.Now()
	if err := st.look(now); err != nil {
		return err
	}
	for {
		if err := st.act(now); err != nil {
			return err
		}
		if st.session.drains() && st.session.idle() && st.sendDue.IsZero() {
			return closed(ReasonDrained, errDraining)
		}
		if st.session.waiting() >= maxOutbox || !st.pace.reads(now) {
			return nil
		}
		select {
		case r := <-st.received:
			if err := st.onReceived(now, r); err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

// look takes in what was published.
func (st *stream) look(now time.Time) error {
	snapshot, ok := st.sub.Current()
	if !ok {
		return closed(ReasonRemoved, status.Errorf(codes.NotFound, "workload %q was removed", st.peer.Node))
	}
	if snapshot != st.session.sees() {
		st.session.onSnapshot(now, snapshot)
	}
	return nil
}

// lookAround takes in what the server has decided about all streams.
func (st *stream) lookAround() error {
	select {
	case <-st.server.ended:
		return closed(ReasonDrained, errDraining)
	default:
	}
	select {
	case <-st.server.draining:
		st.session.onDrain()
	default:
	}
	return nil
}

func (st *stream) onReceived(now time.Time, r received) error {
	if r.err != nil {
		return r.err
	}
	st.heard.Store(now.UnixNano())
	err := st.session.onRequest(now, r.request)
	st.pace.count(st.session.unasked(), now)
	return err
}

func (st *stream) onSent(err error) error {
	st.sendDue = time.Time{}
	var fault *panicError
	if err == nil || errors.As(err, &fault) {
		return err
	}
	return closed(ReasonClient, err)
}

func (st *stream) onSecretsChanged() error {
	st.delta.onSecretsChanged()
	return nil
}

func (st *stream) onTimer(now time.Time) error {
	if !st.sendDue.IsZero() && !now.Before(st.sendDue) {
		return closed(ReasonSlow, status.Errorf(codes.DeadlineExceeded,
			"the client did not read for %s", st.server.config.Timing.Send))
	}
	if !now.Before(st.gateDue) {
		st.leaveGate()
	}
	if err := st.session.onTimer(now); err != nil {
		return closed(ReasonNoACK, err)
	}
	return nil
}

func (st *stream) onFetched(secret Secret, err error) {
	if err != nil && !errors.Is(err, ErrNoSecret) {
		st.server.config.Logger.Warn("secret is not available", "node", st.peer.Node,
			"secret", st.delta.secrets.fetching, "error", err)
	}
	st.delta.onSecret(time.Now(), secret, err)
}

// act does what the session asks for: send, fetch, settle, and be woken in time.
func (st *stream) act(now time.Time) error {
	if st.sendDue.IsZero() && st.session.waiting() > 0 {
		if err := st.startSend(now); err != nil {
			return st.onSent(err)
		}
	}
	if st.delta != nil {
		if name, have, ok := st.delta.nextSecret(now); ok {
			st.fetches <- fetch{name: name, have: have}
		}
	}
	if st.sendDue.IsZero() {
		st.sub.Send(st.session.sentAt())
	}
	st.sub.Settle(st.session.settledAt())
	if st.inGate && st.session.begun() {
		st.leaveGate()
	}
	st.arm(now)
	return nil
}

// sendsAtOnce is how many unanswered bytes gRPC takes without blocking, with room to spare: it stops a sender
// only once 64 KB of a stream wait to be written. What is answered does not wait any more: its nonce, which
// cannot be guessed, comes last.
const sendsAtOnce = 32 << 10

// startSend hands the responses to the transport: at once while it cannot block, else by a
// goroutine, so that a client that does not read is noticed.
func (st *stream) startSend(now time.Time) error {
	responses := st.session.take()
	for _, r := range responses {
		st.server.config.Observer.Pushed(r.push)
	}
	st.careful = st.careful || slices.ContainsFunc(responses, (*response).isExtra)
	if !st.careful && st.session.unanswered() <= sendsAtOnce {
		return sendSafely(st.transport, responses)
	}
	st.sendDue = now.Add(st.server.config.Timing.Send)
	st.server.work.Go(func() {
		err := sendSafely(st.transport, responses)
		st.mailbox.put(func() error { return st.onSent(err) })
	})
	return nil
}

// fetch is a secret that the session asks for: its name, and the version that the client has.
type fetch struct{ name, have string }

func (st *stream) startFetch(ctx context.Context, wanted fetch) {
	session := st.secrets
	st.server.work.Go(func() {
		var secret Secret
		var err error
		func() {
			defer recovered(&err)
			secret, err = session.Secret(ctx, wanted.name, wanted.have)
		}()
		st.mailbox.put(func() error { st.onFetched(secret, err); return nil })
	})
}

// arm sets the timer to the next moment at which something is due.
func (st *stream) arm(now time.Time) {
	next := st.session.deadline(now)
	earliest(&next, st.sendDue)
	earliest(&next, st.pace.due)
	if st.inGate {
		earliest(&next, st.gateDue)
	}
	// A timer that fires too early costs less than one that is set for every response.
	if next.IsZero() || !st.armed.IsZero() && !next.Before(st.armed) {
		return
	}
	st.armed = next
	if st.timer == nil {
		st.timer = time.AfterFunc(next.Sub(now), func() { st.mailbox.put(st.onDue) })
		return
	}
	st.timer.Reset(next.Sub(now))
}

func (st *stream) onDue() error {
	st.armed = time.Time{}
	return st.onTimer(time.Now())
}
