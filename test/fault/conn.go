package fault

import (
	"context"
	"net"
	"sync"
	"time"
)

// dialLimit is how long a server may take to accept a connection.
const dialLimit = 10 * time.Second

// conn is a connection of a client, with the one to the server that belongs to it.
type conn struct {
	gone chan struct{} // closed when it is over

	// The rest belongs to who holds the proxy's lock.
	ends   []net.Conn // of TCP
	over   bool
	log    Connection
	budget int64 // bytes that the client may still be sent before it is reset
}

// allow begins to count what the client is sent.
func (c *conn) allow(bytes int64) { c.budget = bytes }

// drop ends the connection at once, without a farewell.
func (c *conn) drop() {
	if c.over {
		return
	}
	c.over = true
	c.log.Closed = time.Now()
	close(c.gone)
	for _, end := range c.ends {
		if tcp, ok := end.(*net.TCPConn); ok {
			// The peer gets a reset.
			_ = tcp.SetLinger(0)
		}
		end.Close()
	}
}

// enter notes a client's connection, unless connections are refused by now.
func (p *Proxy) enter(client net.Conn) *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := &conn{gone: make(chan struct{}), ends: []net.Conn{client}, log: Connection{Opened: time.Now()}}
	c.allow(p.mode.after)
	if p.closed || p.mode.kind == cut {
		c.drop()
		return nil
	}
	p.conns = append(p.conns, c)
	p.tell()
	return c
}

// attach notes the connection to the server, unless all is over.
func (p *Proxy) attach(c *conn, server net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.over {
		server.Close()
		return false
	}
	c.ends = append(c.ends, server)
	return true
}

// finish ends a connection in order when both ends have closed, else with a reset.
func (p *Proxy) finish(c *conn, inOrder bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if inOrder && !c.over {
		c.over = true
		c.log.Closed = time.Now()
		close(c.gone)
		for _, end := range c.ends {
			end.Close()
		}
	}
	c.drop()
	p.tell()
}

func (p *Proxy) serve(socket net.Conn) {
	c := p.enter(socket)
	if c == nil {
		return
	}
	inOrder := false
	defer func() { p.finish(c, inOrder) }()
	// Who hangs does not answer a greeting, and asks no server.
	if !p.moving(c) {
		return
	}
	upstream, err := p.dial()
	if err != nil || !p.attach(c, tcpOf(upstream)) {
		return
	}
	client, err := p.greet(socket)
	if err != nil {
		return
	}
	var both sync.WaitGroup
	var up, down bool
	both.Go(func() { up = p.pump(c, pipe{to: upstream, from: client}) })
	both.Go(func() { down = p.pump(c, pipe{to: client, from: upstream, down: true}) })
	both.Wait()
	inOrder = up && down
}

func (c Config) dialPlain() (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), dialLimit)
	defer cancel()
	return new(net.Dialer).DialContext(ctx, "tcp", c.Target)
}

func greetPlain(client net.Conn) (net.Conn, error) { return client, nil }
