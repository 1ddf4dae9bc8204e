package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// ErrServerStopped is what Serve returns after Stop.
var ErrServerStopped = errors.New("the server was stopped")

// Config is what a Server is made from.
type Config struct {
	// TLS is what connections are encrypted with. Needed.
	TLS *tls.Config
	// Methods are the calls that are served, by path: "/package.Service/Method". Each call is begun in a goroutine of its
	// own, which may return while the stream goes on. Needed.
	Methods map[string]func(*Stream)
	// MessageBytes is the size of one message of a client. Needed.
	MessageBytes int
	// MaxAge ends connections at that age, give or take 10 %, gently; 0: never.
	MaxAge time.Duration
	// Logger nil: nothing is logged.
	Logger *slog.Logger
}

// Server accepts connections and carries their streams.
type Server struct {
	config  Config
	work    sync.WaitGroup
	lines   *rate.Limiter // bounds what clients make the server write into its log
	ending  chan struct{} // closed when no connection is let in any more
	pollers pollers

	mu          sync.Mutex
	listeners   map[net.Listener]struct{}
	connections map[*connection]struct{}
	stopped     bool
	gone        chan struct{} // closed when stopped and the last connection has gone
}

// New returns a server without listeners.
func New(c Config) (*Server, error) {
	if c.TLS == nil || len(c.Methods) == 0 || c.MessageBytes <= 0 {
		return nil, errors.New("transport: Config needs TLS, Methods and MessageBytes")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.TLS = c.TLS.Clone()
	c.TLS.NextProtos = []string{protocol}
	// Small records for a page that is shown as it comes: a message is of no use until its end.
	c.TLS.DynamicRecordSizingDisabled = true
	s := &Server{
		config: c, lines: rate.NewLimiter(rate.Every(time.Second), lineBurst), ending: make(chan struct{}), gone: make(chan struct{}),
		listeners: map[net.Listener]struct{}{}, connections: map[*connection]struct{}{},
	}
	s.pollers.work = &s.work
	return s, nil
}

// Serve accepts connections until the listener fails or the server is stopped, which is [ErrServerStopped]. It closes
// the listener.
func (s *Server) Serve(l net.Listener) error {
	defer func() { _ = l.Close() }()
	if !s.listen(l) {
		return ErrServerStopped
	}
	var wait time.Duration
	for {
		conn, err := l.Accept()
		if err == nil {
			wait = 0
			s.begin(conn)
			continue
		}
		if s.isStopped() {
			return ErrServerStopped
		}
		//nolint:staticcheck // Temporary is deprecated for what it does not say of other errors; of Accept it says what is needed.
		if t, ok := errors.AsType[net.Error](err); !ok || !t.Temporary() {
			return fmt.Errorf("accept: %w", err)
		}
		wait = min(max(2*wait, acceptWait), acceptWaitMost)
		s.config.Logger.Warn("no connection can be accepted", "error", err, "again", wait.String())
		if !s.rest(wait) {
			return ErrServerStopped
		}
	}
}

const acceptWait, acceptWaitMost = 5 * time.Millisecond, time.Second

// rest waits, and reports false when the server was stopped meanwhile.
func (s *Server) rest(wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.ending:
		return false
	}
}

func (s *Server) listen(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return false
	}
	s.listeners[l] = struct{}{}
	return true
}

func (s *Server) isStopped() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopped
}

// begin runs a connection, which ends itself.
func (s *Server) begin(conn net.Conn) {
	c := newConnection(s, conn)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		_ = conn.Close()
		return
	}
	s.connections[c] = struct{}{}
	s.work.Go(c.begin)
}

// forget is called by a connection at its end.
func (s *Server) forget(c *connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.connections, c)
	s.tellGone()
}

// tellGone closes gone at the end. The caller holds mu.
func (s *Server) tellGone() {
	if !s.stopped || len(s.connections) > 0 {
		return
	}
	select {
	case <-s.gone:
	default:
		close(s.gone)
	}
}

// Stop lets no connection in any more, tells the clients to open no stream, and waits until all streams have
// ended; when ctx ends before, it cuts what is left, and returns the error of ctx.
func (s *Server) Stop(ctx context.Context) error {
	for _, c := range s.close() {
		c.goAway()
	}
	var err error
	select {
	case <-s.gone:
	case <-ctx.Done():
		err = ctx.Err()
		for _, c := range s.open() {
			c.end(errStopped)
		}
		<-s.gone
	}
	s.pollers.close()
	s.work.Wait()
	return err
}

// close ends listening, and returns the open connections.
func (s *Server) close() []*connection {
	s.mu.Lock()
	if !s.stopped {
		s.stopped = true
		close(s.ending)
		s.tellGone()
	}
	for l := range s.listeners {
		_ = l.Close()
	}
	clear(s.listeners)
	s.mu.Unlock()
	return s.open()
}

func (s *Server) open() []*connection {
	s.mu.Lock()
	defer s.mu.Unlock()
	open := make([]*connection, 0, len(s.connections))
	for c := range s.connections {
		open = append(open, c)
	}
	return open
}
