package fault

import (
	"errors"
	"io"
	"net"
	"time"
)

// steps is into how many pieces a slow connection cuts what it relays in a second.
const steps = 20

// pipe is one direction of a connection.
type pipe struct {
	to, from net.Conn
	down     bool // to the client
}

// pump relays one direction until it ends, and says whether it ended in order.
// Else it has ended the other one.
func (p *Proxy) pump(c *conn, way pipe) bool {
	if p.relay(c, way) && p.moving(c) && closeWrite(way.to) == nil {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c.drop()
	return false
}

// relay says whether it relayed all up to the end.
func (p *Proxy) relay(c *conn, way pipe) bool {
	buffer := make([]byte, 32<<10)
	for {
		n, err := way.from.Read(buffer)
		if !p.forward(c, way, buffer[:n]) {
			return false
		}
		if err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}

// forward relays data as the mode says, which may change meanwhile.
func (p *Proxy) forward(c *conn, way pipe, data []byte) bool {
	for len(data) > 0 {
		if !p.moving(c) {
			return false
		}
		mode, budget := p.state(c)
		piece := mode.piece(data, way.down, budget)
		// First the log: who has an answer finds its request there.
		left := p.note(c, way.down, piece)
		if _, err := way.to.Write(piece); err != nil || mode.kind == reset && way.down && left <= 0 {
			return false
		}
		data = data[len(piece):]
		if mode.kind == slow && !p.pause(c, time.Duration(len(piece))*time.Second/time.Duration(mode.rate)) {
			return false
		}
	}
	return true
}

// piece is as much of data as may be sent at once.
func (m Mode) piece(data []byte, down bool, budget int64) []byte {
	switch {
	case m.kind == slow:
		return data[:min(len(data), max(1, m.rate/steps))]
	case m.kind == reset && down && budget < int64(len(data)):
		return data[:max(0, budget)]
	}
	return data
}

func (p *Proxy) state(c *conn) (Mode, int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mode, c.budget
}

// moving waits while the proxy hangs, and says whether the connection is still there.
func (p *Proxy) moving(c *conn) bool {
	for {
		p.mu.Lock()
		hangs, switched, over := p.mode.kind == hang, p.switched, c.over
		p.mu.Unlock()
		if over || !hangs {
			return !over
		}
		select {
		case <-switched:
		case <-c.gone:
		}
	}
}

// pause waits for a time, or until the mode changes, and says whether the connection is still there.
func (p *Proxy) pause(c *conn, d time.Duration) bool {
	p.mu.Lock()
	switched := p.switched
	p.mu.Unlock()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-switched:
	case <-c.gone:
		return false
	}
	return true
}

// closeWrite tells an end that nothing more comes.
func closeWrite(to net.Conn) error {
	half, ok := to.(interface{ CloseWrite() error })
	if !ok {
		return to.Close()
	}
	return half.CloseWrite()
}
