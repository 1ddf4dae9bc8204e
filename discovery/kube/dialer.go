package kube

import (
	"context"
	"net"
	"sync"
	"time"
)

// dialFunc opens a connection.
type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// dialer knows its open connections, so that those which hang can be cut: a
// request on one of them would wait for as long as the kernel hopes.
type dialer struct {
	dial dialFunc
	mu   sync.Mutex
	open map[*conn]struct{}
}

func newDialer(dial dialFunc) *dialer {
	if dial == nil {
		dial = (&net.Dialer{Timeout: requestTimeout, KeepAlive: 15 * time.Second}).DialContext
	}
	return &dialer{dial: dial, open: make(map[*conn]struct{})}
}

// DialContext opens a connection and remembers it.
func (d *dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	raw, err := d.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: raw, dialer: d}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open[c] = struct{}{}
	return c, nil
}

// cut closes all connections that are open.
func (d *dialer) cut() {
	d.mu.Lock()
	open := d.open
	d.open = make(map[*conn]struct{})
	d.mu.Unlock()
	for c := range open {
		c.Conn.Close()
	}
}

// count returns how many connections are open.
func (d *dialer) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.open)
}

// conn is a connection that its dialer knows.
type conn struct {
	net.Conn
	dialer *dialer
}

// Close closes the connection, and its dialer forgets it.
func (c *conn) Close() error {
	c.dialer.mu.Lock()
	delete(c.dialer.open, c)
	c.dialer.mu.Unlock()
	return c.Conn.Close()
}
