package consul

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"sync"
	"time"
)

// The times by which a dead connection is noticed.
const (
	dialTimeout = 5 * time.Second
	pingAfter   = 10 * time.Second
	pingTimeout = 10 * time.Second
	idleTimeout = 90 * time.Second
)

// connections are those that are open, of one transport after the other.
type connections struct {
	dial  func(ctx context.Context, network, address string) (net.Conn, error)
	limit int

	mu     sync.Mutex
	open   map[*connection]struct{}
	closed bool
}

func newConnections(dial func(ctx context.Context, network, address string) (net.Conn, error), limit int) *connections {
	return &connections{dial: dial, limit: limit, open: make(map[*connection]struct{})}
}

// transport returns one that trusts the given roots; nil: the machine's. It follows no proxy of the environment.
func (c *connections) transport(roots *x509.CertPool) *http.Transport {
	return &http.Transport{
		DialContext:         c.dialCounted,
		TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: dialTimeout,
		ForceAttemptHTTP2:   true,
		HTTP2:               &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
		MaxConnsPerHost:     c.limit,
		MaxIdleConnsPerHost: c.limit,
		IdleConnTimeout:     idleTimeout,
	}
}

func (c *connections) dialCounted(ctx context.Context, network, address string) (net.Conn, error) {
	opened, err := c.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	conn := &connection{Conn: opened, all: c}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		_ = opened.Close()
		return nil, net.ErrClosed
	}
	c.open[conn] = struct{}{}
	return conn, nil
}

// begin lets connections be opened, also after close.
func (c *connections) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = false
}

// close closes all connections, also those that are still being opened: a transport closes by itself only what it sees idle.
func (c *connections) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for conn := range c.open {
		_ = conn.Conn.Close()
	}
	clear(c.open)
}

// count is how many are open.
func (c *connections) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open)
}

// connection is one that is open.
type connection struct {
	net.Conn
	all *connections
}

// Close closes the connection and counts it out.
func (c *connection) Close() error {
	c.all.mu.Lock()
	delete(c.all.open, c)
	c.all.mu.Unlock()
	return c.Conn.Close()
}
