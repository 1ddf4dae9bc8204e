package transport

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"

	"google.golang.org/grpc/status"

	"golang.org/x/net/http2"
)

// Events is what a stream's owner is told. No method may wait; they are called by any goroutine, and
// all may be called at once.
type Events interface {
	// Readable says that Receive has something new: a message, or the end.
	Readable()
	// Sent says that all was written that Send could not write at once.
	Sent()
	// Ahead says that Readable is likely to be called soon: the owner may have the processor fetch what it touches then, in two steps,
	// the second of what the first has fetched. It changes nothing.
	Ahead(step int)
}

// Stream is one call. Its methods never wait, and may be called by any goroutine; of Receive, Send
// and End only one at a time.
type Stream struct {
	connection *connection
	id         uint32
	// authorization holds the values of that header, until the call returns.
	authorization []string
	ctx           context.Context //nolint:containedctx // a stream is what a context belongs to, as in gRPC
	cancel        context.CancelFunc

	// The connection's mu guards all below.
	events  Events
	in      inbox
	unread  int // what the client may still send
	out     outbox
	window  int // what the client takes
	ready   bool
	greeted bool // the response's headers are written
	over    bool // nothing more comes or goes
	// lostBy is why the stream ended without End.
	lostBy error
	// uses counts who is at the stream: its call, until it returns, and the stream itself, until it is over.
	uses int
}

// Context ends with the stream.
func (s *Stream) Context() context.Context { return s.ctx }

// Authorization returns the values of the header of that name, until the call returns.
func (s *Stream) Authorization() []string { return s.authorization }

// VerifiedChain is the client's certificate, and those that it sent with it, when TLS has verified it.
func (s *Stream) VerifiedChain() []*x509.Certificate {
	state := s.connection.tls.ConnectionState()
	if len(state.VerifiedChains) == 0 {
		return nil
	}
	return state.PeerCertificates
}

// Remote is the client's address.
func (s *Stream) Remote() net.Addr { return s.connection.socket.RemoteAddr() }

// Tell names who is told of events from now on. Who has named itself looks once by itself: what came before is not told.
// Until then no more than a few KB come of a stream, however much its client has to say.
func (s *Stream) Tell(events Events) {
	s.connection.mu.Lock()
	defer s.connection.unlock()
	first := s.events == nil
	s.events = events
	s.connection.heard()
	if first {
		s.returnCredit(window - narrow)
	}
}

// Receive has read look at the next message, whose bytes are the stream's again when it returns; false means that
// none has come. The error is io.EOF when the client has said all, wraps context.Canceled when the stream
// is gone, and is otherwise a status for the client: End the stream with it.
func (s *Stream) Receive(read func(message []byte)) (bool, error) {
	c := s.connection
	c.mu.Lock()
	defer c.unlock()
	if s.lostBy != nil {
		return false, s.lostBy
	}
	message, err := s.in.head(c.server.config.MessageBytes)
	if err != nil {
		return false, err
	}
	if message == nil {
		if s.in.ended {
			return false, io.EOF
		}
		s.allow(s.in.lacking())
		return false, nil
	}
	read(message)
	c.timing.useful()
	s.in.take(len(message))
	s.account()
	return true, nil
}

// allow lets the client send more than the window, once the stream has an owner. The caller holds the connection's mu.
func (s *Stream) allow(more int) {
	if more == 0 || s.events == nil {
		return
	}
	s.in.ahead += more
	s.returnCredit(more)
}

// account gives the client back what its owner took, in few steps. The caller holds the connection's mu.
func (s *Stream) account() {
	if repaid := min(s.in.ahead, s.in.taken); repaid > 0 {
		s.in.ahead -= repaid
		s.in.taken -= repaid
	}
	if s.in.taken >= window/4 {
		s.returnCredit(s.in.taken)
		s.in.taken = 0
	}
}

func (s *Stream) returnCredit(n int) {
	s.unread += n
	c := s.connection
	if s.over || s.in.ended {
		return
	}
	c.control(func(f *http2.Framer) error { return f.WriteWindowUpdate(s.id, uint32(n)) })
	c.flush()
}

// Send writes messages, each of its chunks. It reports whether all of them are on their way: then they are the caller's again.
// If not, nobody may change them any more, and Sent is called when they are. After the end of the stream nothing is sent.
func (s *Stream) Send(messages ...[][]byte) bool {
	c := s.connection
	c.mu.Lock()
	defer c.unlock()
	if s.over || c.err != nil {
		return true
	}
	if !s.greeted {
		s.greeted = true
		c.control(func(f *http2.Framer) error { return f.WriteHeaders(responseHead(s.id)) })
	}
	for _, message := range messages {
		s.out.add(message)
	}
	c.schedule(s)
	c.flush()
	if s.out.size == 0 && !c.socket.isBusy() {
		return true
	}
	c.writer.waiting = append(c.writer.waiting, s)
	return false
}

// End ends the stream: nil, io.EOF and codes.OK as the client asked for, else with the status of err. What is not
// written yet is dropped; where that cuts a message, which no status may follow, the stream is reset so that the client
// comes again, as when the server is away. Only the first call counts.
func (s *Stream) End(err error) {
	if errors.Is(err, io.EOF) {
		err = nil
	}
	c := s.connection
	c.mu.Lock()
	if !s.over && c.err == nil {
		c.control(func(f *http2.Framer) error {
			if s.out.cut {
				return f.WriteRSTStream(s.id, http2.ErrCodeRefusedStream)
			}
			return s.writeTrailers(f, status.Convert(err))
		})
		c.flush()
	}
	over := s.close()
	c.unlock()
	s.cancel()
	if over {
		c.end(errStopped)
	}
}

// close forgets a stream, and reports whether the connection is over by that. The caller holds the connection's mu.
func (s *Stream) close() bool {
	if s.over {
		return false
	}
	s.over = true
	s.out.drop()
	s.in.drop()
	s.connection.drop(s)
	s.connection.heard()
	s.connection.writer.forget(s)
	return s.leave()
}

// leave ends a use of the stream, and reports whether the connection is over by that. The caller holds the connection's mu.
func (s *Stream) leave() bool {
	if s.uses--; s.uses > 0 {
		return false
	}
	c := s.connection
	c.calls--
	c.timing.rest(c)
	return c.err == nil && c.isOver()
}

// lost ends a stream whose client or connection is gone.
func (s *Stream) lost(err error) {
	c := s.connection
	c.mu.Lock()
	if s.over {
		c.mu.Unlock()
		return
	}
	s.lostBy = lostError{err}
	over, events := s.close(), s.events
	c.mu.Unlock()
	s.cancel()
	if events != nil {
		c.guarded(events, Events.Readable)
	}
	if over {
		c.end(errStopped)
	}
}

// lostError is why a client is gone.
type lostError struct{ err error }

// Error says why.
func (l lostError) Error() string { return "the client is gone: " + l.err.Error() }

// Is makes it the end that gRPC knows.
func (l lostError) Is(target error) bool { return target == context.Canceled }

func (s *Stream) listener() Events {
	s.connection.mu.Lock()
	defer s.connection.mu.Unlock()
	return s.events
}
