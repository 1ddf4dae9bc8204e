package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"outrigger.dev/outrigger/xds/cache"
)

// stream is what stands around a session: it brings it events and the time, and carries its responses. Whoever has
// something for it takes its turn and does all that follows: who read a message from the client, or a
// goroutine of the server's line for mail and newer snapshots.
type stream struct {
	// What every event looks at comes first, as in a session.

	server  *Server
	turn    turn
	live    atomic.Bool // it is open: mail is opened from now on
	mailbox mailbox
	heard   atomic.Int64 // when the last message came, in Unix nanoseconds
	carrier carrier

	// Of these, whoever has the turn is the owner.
	session machine
	// delta is session where that serves secrets, else nil.
	delta   *session
	sub     *cache.Subscription
	sendDue time.Time // zero when nothing is being sent
	pace    pace
	armed   time.Time
	timer   *time.Timer
	inGate  bool
	gateDue time.Time
	secrets SecretSession

	peer      Peer
	left      func() // tells who let the peer in; nil: nobody
	openedAt  time.Time
	inquiries inquiries
	came      chan struct{} // of capacity one: something came while the stream was opened
	done      chan struct{} // closed at the end

	superseded bool // under the server's mu: it has been told to end
}

// maxOutbox is how many responses may wait before no more requests are read.
const maxOutbox = 16

func newStream(s *Server, carrier carrier) *stream {
	st := &stream{
		server: s, carrier: carrier, openedAt: time.Now(),
		came: make(chan struct{}, 1), done: make(chan struct{}),
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

// start opens the stream. It goes on by itself then, until finish.
func (st *stream) start() {
	if err := st.opening(st.carrier.Context()); err != nil {
		st.turn.end()
		st.finish(err)
		return
	}
	st.live.Store(true)
	st.mailbox.put(st.lookAround)
	st.goOn()
}

// finish gives back what the stream has and tells the client why. It is called once, by who had the last turn.
func (st *stream) finish(err error) {
	close(st.done)
	reason, err := st.outcome(err)
	if fault := st.goSafely(reason, err); fault != nil {
		_, err = st.outcome(fault)
	}
	st.carrier.End(err)
}

// outcome turns the error that ended a stream into a reason and a status.
func (st *stream) outcome(err error) (string, error) {
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
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return ReasonClient, status.FromContextError(err).Err()
	case status.Code(err) == codes.ResourceExhausted:
		return ReasonLimit, err
	default:
		return ReasonInvalid, err
	}
}

// goSafely gives back what the stream has; the error is a fault of ours.
func (st *stream) goSafely(reason string, err error) (fault error) {
	defer recovered(&fault)
	defer st.server.closed(st, reason, err)
	st.leave()
	return nil
}

// opening is everything up to the answer to the first request, which waits for its client. Until it is its turn next to
// nothing comes from the client: what proxies have to say when all come back at once is said by one after another.
func (st *stream) opening(ctx context.Context) (err error) {
	defer recovered(&err)
	if err := st.awaitTurn(ctx); err != nil {
		return err
	}
	st.carrier.Tell(st)
	first, err := st.first(ctx)
	if err != nil {
		return err
	}
	if err := st.open(first); err != nil {
		return err
	}
	return st.session.onRequest(time.Now(), first)
}

// revoke ends the stream by who let its peer in.
func (st *stream) revoke(why error) {
	st.mailbox.put(func() error { return closed(ReasonDenied, status.Error(codes.PermissionDenied, why.Error())) })
}

func (st *stream) leftPeer() {
	if st.left != nil {
		st.left()
	}
}

// leave gives back what opening took.
func (st *stream) leave() {
	st.leftPeer()
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

// Readable is what the transport says when a message came, or the end. Who tells it does all that follows.
func (st *stream) Readable() {
	if !st.live.Load() {
		select {
		case st.came <- struct{}{}:
		default:
		}
	}
	if st.turn.take() {
		st.goOn()
	}
}

// Sent is what the transport says when all is on its way.
func (st *stream) Sent() { st.mailbox.put(st.onSent) }

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
			st.finish(err)
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
		r, err := st.carrier.receive(false)
		if err != nil || r == nil {
			return err
		}
		if err := st.onRequest(now, r); err != nil {
			return err
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

func (st *stream) onRequest(now time.Time, r *request) error {
	st.heard.Store(now.UnixNano())
	err := st.session.onRequest(now, r)
	st.pace.count(st.session.unasked(), now)
	return err
}

func (st *stream) onSent() error {
	st.sendDue = time.Time{}
	return nil
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
		st.send(now)
	}
	if st.delta != nil {
		if name, have, ok := st.delta.nextSecret(now); ok {
			st.startFetch(fetch{name: name, have: have})
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

// send hands the responses to the transport. A client that does not read them in time is closed.
func (st *stream) send(now time.Time) {
	responses := st.session.take()
	for _, r := range responses {
		st.server.config.Observer.Pushed(r.push)
	}
	if !st.carrier.send(responses) {
		st.sendDue = now.Add(st.server.config.Timing.Send)
	}
}

// fetch is a secret that the session asks for: its name, and the version that the client has.
type fetch struct{ name, have string }

func (st *stream) startFetch(wanted fetch) {
	ctx, session := st.carrier.Context(), st.secrets
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
