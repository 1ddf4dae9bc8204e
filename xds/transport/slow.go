package transport

import (
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// slow is where is written what has to wait for the client.
type slow interface {
	io.WriteCloser
	SetWriteDeadline(at time.Time) error
}

// detach takes the descriptor out of Go's hands, whose poller would be told of everything that comes, beside ours: a twentieth of
// what an acknowledgement costs. Nobody reads meanwhile. Where a goroutine writes, or no descriptor is left, all stays as it is.
func (s *socket) detach() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy.Load() || s.own || s.fd == none {
		return
	}
	if fd, err := duplicate(s.fd); err == nil {
		s.fd, s.own = fd, true
		_ = s.Conn.Close() // What it knows is sent, and what it was is ours.
	}
}

// waiting returns what can wait for the client: while the descriptor is ours, one more that Go's poller is told of. The caller holds mu.
func (s *socket) waiting() (slow, error) {
	if !s.own {
		return s.Conn, nil
	}
	fd, err := duplicate(s.fd)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "connection"), nil
}

// hurry is for who need not wait any more. The caller holds mu.
func (s *socket) hurry() {
	if s.own {
		_ = s.slow.Close()
	}
	s.slow = nil
}

// duplicate returns one more descriptor of what another one is of.
func duplicate(fd int) (int, error) {
	other, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	return other, os.NewSyscallError("fcntl", err)
}
