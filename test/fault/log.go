package fault

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Connection is what is known of a client's connection.
type Connection struct {
	Opened time.Time
	// Closed is zero while it is open.
	Closed time.Time
	// Up is the number of bytes to the server, Down to the client.
	Up, Down int64
	// Sent is the first that the client sent, as much as Config.Keep says.
	Sent []byte
}

// Count is the sum over all connections.
type Count struct {
	// Connections were accepted, Open are open now.
	Connections, Open int
	// Up is the number of bytes to the server, Down to the clients.
	Up, Down int64
}

// Log is about all connections that ever were, in the order in which they came.
func (p *Proxy) Log() []Connection {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []Connection
	for _, c := range p.conns {
		entry := c.log
		entry.Sent = slices.Clone(entry.Sent)
		all = append(all, entry)
	}
	return all
}

// Count sums up the log.
func (p *Proxy) Count() Count {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count()
}

func (p *Proxy) count() Count {
	sum := Count{Connections: len(p.conns)}
	for _, c := range p.conns {
		if !c.over {
			sum.Open++
		}
		sum.Up += c.log.Up
		sum.Down += c.log.Down
	}
	return sum
}

// Await waits until the count is as wanted.
func (p *Proxy) Await(ctx context.Context, wanted func(Count) bool) error {
	for {
		p.mu.Lock()
		count, noted := p.count(), p.noted
		p.mu.Unlock()
		if wanted(count) {
			return nil
		}
		select {
		case <-noted:
		case <-ctx.Done():
			return fmt.Errorf("fault proxy to %s: %w at %+v", p.cfg.Target, context.Cause(ctx), count)
		}
	}
}

// note logs what is about to be relayed, and says how much the client may still be sent.
func (p *Proxy) note(c *conn, down bool, data []byte) (left int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if down {
		c.log.Down += int64(len(data))
		c.budget -= int64(len(data))
	} else {
		c.log.Up += int64(len(data))
		room := max(0, p.cfg.Keep-len(c.log.Sent))
		c.log.Sent = append(c.log.Sent, data[:min(room, len(data))]...)
	}
	p.tell()
	return c.budget
}

// tell wakes those who wait for a change of the log.
func (p *Proxy) tell() {
	close(p.noted)
	p.noted = make(chan struct{})
}
