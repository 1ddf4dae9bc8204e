package transport

import (
	"errors"
	"io"
	"net"
	"runtime/debug"
	"syscall"
)

// lineBurst is how many lines about clients may be logged at once; then it is one a second.
const lineBurst = 10

// note logs why a connection ended, when that is nobody's wish. The caller holds the connection's mu.
func (s *Server) note(c *connection, why error) {
	for _, usual := range []error{io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, net.ErrClosed, syscall.ECONNRESET, syscall.EPIPE, errIdle, errOld, errStopped} {
		if errors.Is(why, usual) {
			return
		}
	}
	if s.lines.Allow() {
		s.config.Logger.Warn("a connection of a proxy ended", "address", c.socket.RemoteAddr().String(), "error", why)
	}
}

// guarded has an owner told something; a fault of it ends the connection. The caller does not hold mu.
func (c *connection) guarded(events Events, tell func(Events)) {
	defer func() {
		if fault := recover(); fault != nil {
			c.server.panicked(fault)
			c.end(errFault)
		}
	}()
	tell(events)
}

// recovered ends a connection, and only that, by a fault of ours in what it does.
func (c *connection) recovered() {
	fault := recover()
	if fault == nil {
		return
	}
	c.server.panicked(fault)
	if !c.mu.TryLock() {
		c.socket.abandon() // The fault holds what ending in order needs.
		return
	}
	c.mu.Unlock()
	c.end(errFault)
}

var errFault = errors.New("internal error")

func (s *Server) panicked(fault any) {
	s.config.Logger.Error("transport panicked", "error", fault, "stack", string(debug.Stack()))
}
