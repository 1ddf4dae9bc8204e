package transport

import "outrigger.dev/outrigger/xds/internal/prefetch"

// Steps is how many steps of Ahead there are, of a stream.
const Steps = 3

// Ahead has the processor fetch what sending on the stream touches. Each step looks at what the one before has fetched: who is about to
// send on many streams takes the first step for some of them, then the next one.
func (s *Stream) Ahead(step int) {
	switch step {
	case 0:
		prefetch.Of(s)
	case 1:
		prefetch.Of(s.connection)
	default:
		prefetch.Of(s.connection.socket)
		prefetch.Of(s.connection.tls)
		s.connection.sealing.ask()
	}
}

// inputSteps is how many steps of ahead there are, of a connection.
const inputSteps = 4

// ahead is the same for taking in what came.
func (c *connection) ahead(step int) {
	switch step {
	case 0:
		prefetch.Of(c)
	case 1:
		prefetch.Of(c.socket)
		prefetch.Of(c.tls)
		c.opening.ask()
		s, _ := c.likely()
		prefetch.Of(s)
	default:
		if _, events := c.likely(); events != nil {
			events.Ahead(step - 2)
		}
	}
}

// likely returns the stream that heard something last, and its listener; nil where nobody knows, or somebody is at it.
func (c *connection) likely() (*Stream, Events) {
	if !c.mu.TryLock() {
		return nil, nil
	}
	defer c.mu.Unlock()
	if c.recent == nil {
		return nil, nil
	}
	return c.recent, c.recent.events
}
