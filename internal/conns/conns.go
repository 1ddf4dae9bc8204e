// Package conns is a dialer that counts its connections and can cut them, and a
// heartbeat that does so: a request on a connection that hangs would wait for
// as long as the kernel hopes.
//
// It imports nothing of Outrigger's, and knows neither who is spoken to nor in
// which language. It never opens a connection by itself, and starts no goroutine.
package conns

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// DialFunc opens a connection.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// Dialer knows its open connections. It may be used from any goroutine.
type Dialer struct {
	dial   DialFunc
	mu     sync.Mutex
	open   map[*conn]struct{}
	closed bool
}

// keepAlive is how often the kernel asks whether an idle connection still stands.
const keepAlive = 15 * time.Second

// New returns a dialer that opens connections by the given function; nil: over TCP, within AskLimit.
func New(dial DialFunc) *Dialer {
	if dial == nil {
		dial = (&net.Dialer{Timeout: AskLimit, KeepAlive: keepAlive}).DialContext
	}
	return &Dialer{dial: dial, open: make(map[*conn]struct{})}
}

// DialContext opens a connection and remembers it. After Close it returns [net.ErrClosed].
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	raw, err := d.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: raw, dialer: d, opened: time.Now()}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		_ = raw.Close()
		return nil, net.ErrClosed
	}
	d.open[c] = struct{}{}
	return c, nil
}

// Begin lets connections be opened, also after Close. A new dialer has begun.
func (d *Dialer) Begin() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = false
}

// CutSilent closes all connections that were open at that time and on which nothing was read since. Others may be opened.
func (d *Dialer) CutSilent(since time.Time) {
	var silent []*conn
	d.mu.Lock()
	for c := range d.open {
		if !c.lastRead().After(since) {
			silent = append(silent, c)
			delete(d.open, c)
		}
	}
	d.mu.Unlock()
	for _, c := range silent {
		_ = c.Conn.Close()
	}
}

// Close closes all connections, also those that are still being opened: a
// transport closes by itself only what it sees idle.
func (d *Dialer) Close() {
	d.mu.Lock()
	open := d.open
	d.open = make(map[*conn]struct{})
	d.closed = true
	d.mu.Unlock()
	for c := range open {
		_ = c.Conn.Close()
	}
}

// Count returns how many connections are open.
func (d *Dialer) Count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.open)
}

// conn is a connection that its dialer knows.
type conn struct {
	net.Conn
	dialer *Dialer
	opened time.Time
	// read is how long after it was opened something was read last.
	read atomic.Int64
}

// Read reads, and notes when.
func (c *conn) Read(into []byte) (int, error) {
	n, err := c.Conn.Read(into)
	if n > 0 {
		c.read.Store(int64(time.Since(c.opened)))
	}
	return n, err
}

// lastRead is when something was read last, else when it was opened.
func (c *conn) lastRead() time.Time { return c.opened.Add(time.Duration(c.read.Load())) }

// Close closes the connection, and its dialer forgets it.
func (c *conn) Close() error {
	c.dialer.mu.Lock()
	delete(c.dialer.open, c)
	c.dialer.mu.Unlock()
	return c.Conn.Close()
}
