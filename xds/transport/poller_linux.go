package transport

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"outrigger.dev/outrigger/xds/internal/prefetch"
)

// eventsAtOnce is how many connections are looked at before it is asked for whom more has come.
const eventsAtOnce = 64

// together is of how many of them it is fetched at once what taking them in touches: 3 KB each.
const together = 16

// poller tells connections that something has come, by one goroutine that takes it in. What waits with it costs neither a
// stack nor a goroutine, and what is taken in by one goroutine finds the processor's caches warm.
type poller struct {
	file *os.File
	raw  syscall.RawConn
	// All up to mu belongs to run. wait is poll, made a function once.
	wait   func(fd uintptr) bool
	block  bool // there is nothing else to do
	events [eventsAtOnce]unix.EpollEvent
	came   int // how many of the events are new
	room   [frameBuffer]byte

	mu    sync.Mutex
	slots []*polled // by what the system calls them
	free  []int32
}

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("epoll: %w", err)
	}
	p := &poller{file: os.NewFile(uintptr(fd), "epoll")}
	p.wait = p.poll
	p.raw, err = p.file.SyscallConn()
	if err = errors.Join(err, p.file.SetReadDeadline(time.Time{})); err != nil { // Which fails where Go itself cannot wait for it.
		_ = p.file.Close()
		return nil, fmt.Errorf("epoll: %w", err)
	}
	return p, nil
}

// run takes in what comes until the poller is closed. Who has more than its share comes again once all others have had theirs.
func (p *poller) run() {
	var due, rest []*polled
	for {
		p.block = len(rest) == 0
		if err := p.raw.Read(p.wait); err != nil {
			return
		}
		due = p.woken(append(due[:0], rest...))
		clear(rest)
		rest = rest[:0]
		for some := range slices.Chunk(due, together) {
			warm(some)
			for _, c := range some {
				if c.takeIn(p.room[:]) {
					rest = append(rest, c)
				}
			}
		}
		clear(due)
	}
}

// warm has the processor fetch what taking in of these touches.
func warm(some []*polled) {
	for _, c := range some {
		prefetch.Of(c)
	}
	for step := range inputSteps {
		for _, c := range some {
			c.connection.ahead(step)
		}
	}
}

func (p *poller) close() { _ = p.file.Close() }

// poll looks at what has come; false has the caller wait until something does.
func (p *poller) poll(fd uintptr) bool {
	for {
		n, err := unix.EpollWait(int(fd), p.events[:], 0)
		if err == unix.EINTR {
			continue
		}
		p.came = max(n, 0)
		return p.came > 0 || !p.block
	}
}

// woken appends those for whom something has come and of whom nobody takes it in.
func (p *poller) woken(due []*polled) []*polled {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.events[:p.came] {
		c := p.slots[e.Fd]
		if c == nil {
			continue
		}
		if e.Events&^unix.EPOLLIN != 0 {
			c.hangup.Store(true)
		}
		if c.came.Add(1) == 1 {
			due = append(due, c)
		}
	}
	return due
}

// add has a connection told from now on, until its descriptor is closed.
func (p *poller) add(c *polled) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.over {
		return errClosed
	}
	c.slot = p.take(c)
	// Told once for all that comes: who reads less than he asks for has all, unless it was the last.
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET, Fd: c.slot}
	var refused error
	closed := p.raw.Control(func(epoll uintptr) { refused = c.connection.socket.register(int(epoll), &event) })
	return errors.Join(closed, refused)
}

// take finds a slot. The caller holds mu.
func (p *poller) take(c *polled) int32 {
	if n := len(p.free); n > 0 {
		slot := p.free[n-1]
		p.free = p.free[:n-1]
		p.slots[slot] = c
		return slot
	}
	p.slots = append(p.slots, c)
	return int32(len(p.slots) - 1)
}

// remove is for a connection that is over, whether it was added or not.
func (p *poller) remove(c *polled) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.over = true
	if c.slot != none {
		p.slots[c.slot] = nil
		p.free = append(p.free, c.slot)
		c.slot = none
	}
}
