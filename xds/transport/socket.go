package transport

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// socket is a connection whose Write never waits: what the kernel does not take is kept, and a goroutine writes it.
type socket struct {
	net.Conn

	// drained is called by that goroutine once nothing is kept any more.
	drained func()
	// broken is called when nothing can be written any more. It must not wait.
	broken func(error)
	// work has the goroutine.
	work *sync.WaitGroup
	// in and source belong to who reads.
	in     records
	source io.Reader

	mu sync.Mutex
	// fd is used without asking Go, which costs as much as a twentieth of a change; none where there is none, and once the
	// connection is closed, which is done here alone.
	fd int
	// own says that Go knows nothing of the descriptor any more, and of the connection only its addresses.
	own bool
	// slow is what the goroutine writes to, nil while it is not at it.
	slow   slow
	kept   []byte      // in a buffer of the pool
	corked bool        // more comes: keep all
	busy   atomic.Bool // the goroutine is at it; who holds no mu may look
	closed bool        // by Close, or once nothing is kept
	err    error
}

// none is no descriptor, and no slot of a poller.
const none = -1

func newSocket(conn net.Conn, work *sync.WaitGroup) *socket {
	s := &socket{Conn: conn, work: work, source: conn, fd: none}
	if has, ok := conn.(syscall.Conn); ok {
		if raw, err := has.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { s.fd = int(fd) }) // Where it fails, there is none.
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
	switch {
	case s.err != nil:
		return 0, s.err
	case s.closed:
		return 0, net.ErrClosed
	}
	rest := p
	if !s.corked && !s.busy.Load() && len(s.kept) == 0 {
		rest = s.try(p)
	}
	if s.busy.Load() && len(s.kept)+len(rest) > maxKept {
		s.fail(errUnread)
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
	if s.corked || s.busy.Load() || len(s.kept) == 0 {
		return
	}
	var err error
	if s.slow, err = s.waiting(); err != nil {
		s.drop()
		s.fail(err)
		return
	}
	s.busy.Store(true)
	s.work.Go(s.drain)
}

// drop forgets what is kept.
func (s *socket) drop() {
	giveBuffer(s.kept)
	s.kept = nil
}

// try writes what the kernel takes and returns the rest.
func (s *socket) try(p []byte) []byte {
	if s.fd == none {
		return p
	}
	n, err := writeSome(s.fd, p)
	if s.err == nil {
		s.err = err
	}
	return p[n:]
}

// receive reads what has come: errAgain where nothing has.
func (s *socket) receive(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd == none {
		return 0, net.ErrClosed
	}
	return readSome(s.fd, p)
}

// readSome reads what has come: errAgain where nothing has.
func readSome(fd int, p []byte) (int, error) {
	for {
		n, err := recvSome(fd, p)
		switch {
		case err == nil && n > 0:
			return n, nil
		case err == nil:
			return 0, io.EOF
		case errors.Is(err, unix.EAGAIN):
			return 0, errAgain
		case !errors.Is(err, unix.EINTR):
			return 0, err
		}
	}
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
	if s.busy.Load() || len(s.kept) == 0 {
		return
	}
	if rest := s.try(s.kept); len(rest) == 0 || s.err != nil {
		s.drop()
	} else {
		s.kept = s.kept[:copy(s.kept, rest)]
	}
	s.push()
}

// maxKept bounds what TLS itself answers to a client that does not read: nothing else is written while something is kept.
const maxKept = 2 * maxControl

// isBusy reports whether something is kept.
func (s *socket) isBusy() bool { return s.busy.Load() }

// SetWriteDeadline is for Write, which never waits. TLS calls it with the past when it closes.
func (*socket) SetWriteDeadline(time.Time) error { return nil }

// closeGrace is how long a client that is left may take to read what was said last.
const closeGrace = time.Second

// Close ends the connection, once what is kept is written. Nothing is read any more.
func (s *socket) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if !s.busy.Load() {
		return s.cut()
	}
	var err error
	if !s.own {
		err = s.SetReadDeadline(time.Now())
	}
	return errors.Join(err, s.slow.SetWriteDeadline(time.Now().Add(closeGrace)))
}

// cut closes the connection. The caller holds mu.
func (s *socket) cut() error {
	fd := s.fd
	s.fd = none
	if !s.own {
		return s.Conn.Close()
	}
	if fd == none {
		return net.ErrClosed
	}
	err := os.NewSyscallError("close", unix.Close(fd))
	if s.slow != nil {
		err = errors.Join(err, s.slow.Close())
	}
	return err
}

// abandon closes the connection, whatever is kept.
func (s *socket) abandon() {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.cut()
}

// drain writes what is kept, waiting for the client, until nothing is or the connection ends.
func (s *socket) drain() {
	for {
		s.mu.Lock()
		p := s.kept
		s.kept = nil
		closed := s.closed
		s.busy.Store(len(p) > 0)
		if len(p) == 0 {
			s.hurry()
			if closed {
				_ = s.cut()
			}
			s.mu.Unlock()
			s.drained()
			return
		}
		slow := s.slow
		s.mu.Unlock()
		_, err := slow.Write(p)
		giveBuffer(p)
		if err != nil {
			s.mu.Lock()
			s.fail(err)
			s.mu.Unlock()
		}
	}
}

// fail is for what was said to be on its way, and is not: nobody may write again for long, and find out.
// The caller holds mu.
func (s *socket) fail(err error) {
	s.err = err
	if !s.closed {
		s.broken(err)
	}
}
