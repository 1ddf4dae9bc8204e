package transport

import (
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// socket is a connection whose Write never waits: what the kernel does not take is kept, and a goroutine writes it.
type socket struct {
	net.Conn
	raw syscall.RawConn // nil: there is no writing without waiting
	// drained is called by that goroutine once nothing is kept any more.
	drained func()
	// broken is called when nothing can be written any more. It must not wait.
	broken func(error)
	// work has the goroutine.
	work *sync.WaitGroup
	// in and source belong to who reads.
	in     records
	source io.Reader

	mu     sync.Mutex
	kept   []byte // in a buffer of the pool
	corked bool   // more comes: keep all
	busy   bool   // the goroutine is at it
	closed bool   // by Close, or once nothing is kept
	err    error
	rest   []byte // what writeRest has to write
	// write is writeRest, made a function once.
	write func(fd uintptr) bool
}

func newSocket(conn net.Conn, work *sync.WaitGroup) *socket {
	s := &socket{Conn: conn, work: work, source: conn}
	s.write = s.writeRest
	if tcp, ok := conn.(syscall.Conn); ok {
		if raw, err := tcp.SyscallConn(); err == nil {
			s.raw = raw
		}
	}
	return s
}

// Read returns bytes of one record of TLS.
func (s *socket) Read(p []byte) (int, error) { return s.in.read(s.source, p) }

// Write takes all of p; the error is that of an earlier one.
func (s *socket) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return 0, s.err
	}
	rest := p
	if !s.corked && !s.busy && len(s.kept) == 0 {
		rest = s.try(p)
	}
	if s.busy && len(s.kept)+len(rest) > maxKept {
		s.err = errUnread
		s.broken(s.err)
		return 0, s.err
	}
	s.keep(rest)
	s.push()
	return len(p), s.err
}

func (s *socket) keep(p []byte) {
	if len(p) == 0 || s.err != nil {
		return
	}
	if s.kept == nil {
		s.kept = takeBuffer(len(p))
	}
	s.kept = append(s.kept, p...)
}

// push has what is kept written, unless more comes.
func (s *socket) push() {
	if s.corked || s.busy || len(s.kept) == 0 {
		return
	}
	s.busy = true
	s.work.Go(s.drain)
}

// try writes what the kernel takes and returns the rest.
func (s *socket) try(p []byte) []byte {
	if s.raw == nil {
		return p
	}
	s.rest = p
	if err := s.raw.Write(s.write); s.err == nil {
		s.err = err
	}
	p, s.rest = s.rest, nil
	return p
}

// writeRest writes what the kernel takes of rest. It always is done: it does not wait.
func (s *socket) writeRest(fd uintptr) bool {
	n, err := writeSome(int(fd), s.rest)
	s.rest, s.err = s.rest[n:], err
	return true
}

// writeSome writes until all is written or the kernel takes no more.
func writeSome(fd int, p []byte) (written int, err error) {
	for written < len(p) {
		n, err := sendSome(fd, p[written:])
		switch {
		case err == nil:
			written += n
		case errors.Is(err, unix.EAGAIN):
			return written, nil
		case !errors.Is(err, unix.EINTR):
			return written, err
		}
	}
	return written, nil
}

// cork has everything kept until uncork: several records in one write.
func (s *socket) cork() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.corked = true
}

// uncork writes what was kept.
func (s *socket) uncork() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.corked = false
	if s.busy || len(s.kept) == 0 {
		return
	}
	if rest := s.try(s.kept); len(rest) == 0 || s.err != nil {
		giveBuffer(s.kept)
		s.kept = nil
	} else {
		s.kept = s.kept[:copy(s.kept, rest)]
	}
	s.push()
}

// maxKept bounds what TLS itself answers to a client that does not read: nothing else is written while something is kept.
const maxKept = 2 * maxControl

// isBusy reports whether something is kept.
func (s *socket) isBusy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.busy
}

// SetWriteDeadline is for Write, which never waits. TLS calls it with the past when it closes.
func (*socket) SetWriteDeadline(time.Time) error { return nil }

// closeGrace is how long a client that is left may take to read what was said last.
const closeGrace = time.Second

// Close ends the connection, once what is kept is written. Nothing is read any more.
func (s *socket) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if !s.busy {
		return s.Conn.Close()
	}
	return errors.Join(s.SetReadDeadline(time.Now()), s.Conn.SetWriteDeadline(time.Now().Add(closeGrace)))
}

// drain writes what is kept, waiting for the client, until nothing is or the connection ends.
func (s *socket) drain() {
	for {
		s.mu.Lock()
		p := s.kept
		s.kept = nil
		closed := s.closed
		if s.busy = len(p) > 0; !s.busy {
			s.mu.Unlock()
			if closed {
				_ = s.Conn.Close()
			}
			s.drained()
			return
		}
		s.mu.Unlock()
		_, err := s.Conn.Write(p)
		giveBuffer(p)
		if err != nil {
			s.mu.Lock()
			s.err = err
			s.mu.Unlock()
		}
	}
}
