//go:build linux && (amd64 || arm64)

package adsclient

import (
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// quick is a connection whose calls Go's scheduler is not told of: they never wait, and what it does about calls that might would
// be half as much as what they cost. It is for clients that share the processors with the server whose time is measured.
type quick struct {
	net.Conn
	raw            syscall.RawConn
	reader, writer transfer
}

// transfer is a call under way in one direction, which is one goroutine's at a time.
type transfer struct {
	trap  uintptr
	flags uintptr
	p     []byte
	n     int
	errno unix.Errno
	once  func(fd uintptr) bool // do, made a function once
}

// quicken returns conn, a connection that has a descriptor, in that form.
func quicken(conn net.Conn) (net.Conn, error) {
	has, ok := conn.(syscall.Conn)
	if !ok {
		return nil, fmt.Errorf("a connection of type %T has no descriptor", conn)
	}
	raw, err := has.SyscallConn()
	if err != nil {
		return nil, err
	}
	q := &quick{Conn: conn, raw: raw, reader: transfer{trap: unix.SYS_RECVFROM}, writer: transfer{trap: unix.SYS_SENDTO, flags: unix.MSG_NOSIGNAL}}
	q.reader.once, q.writer.once = q.reader.do, q.writer.do
	return q, nil
}

// do makes the call; false has the caller wait until it can go on.
func (t *transfer) do(fd uintptr) bool {
	for {
		n, _, errno := unix.RawSyscall6(t.trap, fd, uintptr(unsafe.Pointer(unsafe.SliceData(t.p))), uintptr(len(t.p)), t.flags, 0, 0)
		if errno != unix.EINTR {
			t.n, t.errno = int(n), errno
			return errno != unix.EAGAIN
		}
	}
}

// Read reads what has come, or comes next.
func (q *quick) Read(p []byte) (int, error) {
	t := &q.reader
	t.p = p
	err := q.raw.Read(t.once)
	t.p = nil
	switch {
	case err != nil:
		return 0, err
	case t.errno != 0:
		return 0, os.NewSyscallError("recvfrom", t.errno)
	case t.n == 0 && len(p) > 0:
		return 0, io.EOF
	}
	return t.n, nil
}

// Write writes all of p.
func (q *quick) Write(p []byte) (written int, err error) {
	t := &q.writer
	for written < len(p) {
		t.p = p[written:]
		err = q.raw.Write(t.once)
		t.p = nil
		if err == nil && t.errno != 0 {
			err = os.NewSyscallError("sendto", t.errno)
		}
		if err != nil {
			return written, err
		}
		written += t.n
	}
	return written, nil
}
