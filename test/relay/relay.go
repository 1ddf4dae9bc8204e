// Package relay is a TCP relay that stands between a proxy and its control
// plane: it counts the bytes of each direction, and can cut connections.
//
// It imports the standard library only. It never looks into what it relays, and
// never opens a connection again.
package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// Count is what went through connections.
type Count struct {
	// Connections were accepted, whether the target answered or not.
	Connections int
	// Up is the number of bytes to the target, Down from it.
	Up, Down int64
}

// Minus returns what was added since an earlier count.
func (c Count) Minus(earlier Count) Count {
	return Count{Connections: c.Connections - earlier.Connections, Up: c.Up - earlier.Up, Down: c.Down - earlier.Down}
}

// Relay is a running relay. Its methods may be called from several goroutines.
type Relay struct {
	listener net.Listener
	target   string
	cancel   context.CancelFunc
	tasks    sync.WaitGroup

	mu    sync.Mutex
	count Count
	open  map[net.Conn]struct{} // both ends of every relayed connection
}

// Listen relays connections from address, such as "127.0.0.1:0", to target
// until Close. A connection that comes while nobody listens at the target is
// closed.
func Listen(ctx context.Context, address, target string) (*Relay, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("relay to %s: %w", target, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	r := &Relay{listener: listener, target: target, cancel: cancel, open: map[net.Conn]struct{}{}}
	r.tasks.Go(func() { r.accept(ctx) })
	return r, nil
}

// Addr is the address at which the relay listens.
func (r *Relay) Addr() string { return r.listener.Addr().String() }

// Count is the sum over all connections since the relay began.
func (r *Relay) Count() Count {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count
}

// Cut ends every open connection at once, without a farewell.
func (r *Relay) Cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for conn := range r.open {
		if tcp, ok := conn.(*net.TCPConn); ok {
			// A reset: the peer is told nothing more than that it is over.
			_ = tcp.SetLinger(0)
		}
		conn.Close()
	}
}

// Close ends the relay and its connections, and waits for its goroutines.
func (r *Relay) Close() error {
	r.cancel()
	err := r.listener.Close()
	r.Cut()
	r.tasks.Wait()
	return err
}

func (r *Relay) accept(ctx context.Context) {
	for {
		client, err := r.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		r.add(Count{Connections: 1})
		r.tasks.Go(func() { r.serve(ctx, client) })
	}
}

func (r *Relay) serve(ctx context.Context, client net.Conn) {
	defer client.Close()
	server, err := new(net.Dialer).DialContext(ctx, "tcp", r.target)
	if err != nil {
		return
	}
	defer server.Close()
	if !r.enter(ctx, client, server) {
		return
	}
	defer r.leave(client, server)
	var both sync.WaitGroup
	both.Go(func() { r.pump(server, client, func(n int64) Count { return Count{Up: n} }) })
	both.Go(func() { r.pump(client, server, func(n int64) Count { return Count{Down: n} }) })
	both.Wait()
}

// enter notes both ends, unless the relay has been closed: Close would miss them.
func (r *Relay) enter(ctx context.Context, ends ...net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ctx.Err() != nil {
		return false
	}
	for _, end := range ends {
		r.open[end] = struct{}{}
	}
	return true
}

func (r *Relay) leave(ends ...net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, end := range ends {
		delete(r.open, end)
	}
}

// pump copies one direction and counts as it goes, so that open connections count too.
func (r *Relay) pump(to, from net.Conn, count func(int64) Count) {
	// What one end tells by closing, the other has to see.
	defer to.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			r.add(count(int64(n)))
			if _, err := to.Write(buffer[:n]); err != nil {
				from.Close()
				return
			}
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				from.Close()
			}
			return
		}
	}
}

func (r *Relay) add(c Count) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count.Connections += c.Connections
	r.count.Up += c.Up
	r.count.Down += c.Down
}
