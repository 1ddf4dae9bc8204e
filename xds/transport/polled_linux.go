package transport

import (
	"net"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// polled reads a connection whose poller tells when something has come.
type polled struct {
	connection *connection
	poller     *poller
	// slot is where the poller has it, none before and after; over says that it comes no more. The poller's mu guards both.
	slot int32
	over bool
	// came counts what its poller told since somebody took all in; who makes it one takes in what comes until he makes it none.
	came atomic.Int64
	// hangup says that the client sends no more.
	hangup atomic.Bool
	// drained says that nothing is left of what had come when this was last asked.
	drained bool
}

func newPolled(c *connection, p *poller) *polled {
	return &polled{connection: c, poller: p, slot: none}
}

func (c *polled) begin() {
	c.connection.socket.source = c
	c.came.Store(1)
	c.connection.socket.detach()
	if err := c.poller.add(c); err != nil {
		c.connection.end(err)
		return
	}
	c.takeInAll()
}

func (c *polled) goOn() { c.connection.server.work.Go(c.takeInAll) }

func (c *polled) end() { c.poller.remove(c) }

// takeInAll takes in what has come, and comes.
func (c *polled) takeInAll() {
	b := takeBuffer(frameBuffer)
	defer giveBuffer(b)
	for c.takeIn(b[:cap(b)]) {
	}
}

// takeIn reports whether more is left; then nobody else takes it in.
func (c *polled) takeIn(b []byte) bool {
	for {
		came := c.came.Load()
		c.drained = false
		switch c.connection.takeIn(b) {
		case takenSome:
			return true
		case takenAll:
			if c.came.CompareAndSwap(came, 0) {
				return false
			}
		case takenHalf, takenLast:
			return false
		}
	}
}

// Read is for TLS. It never waits.
func (c *polled) Read(p []byte) (int, error) {
	if c.drained {
		return 0, errAgain
	}
	n, err := c.connection.socket.receive(p)
	c.drained = n < len(p) && !c.hangup.Load()
	return n, err
}

// register has an epoll tell of the socket.
func (s *socket) register(epoll int, event *unix.EpollEvent) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd == none {
		return net.ErrClosed
	}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, s.fd, event))
}
