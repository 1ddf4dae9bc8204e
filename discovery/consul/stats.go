package consul

import (
	"sync/atomic"
	"time"

	"outrigger.dev/outrigger/discovery"
)

// stats is what the source counts; every field may be used from any goroutine.
type stats struct {
	wakes, idle, resets, throttled, errors atomic.Uint64
	// lag is in nanoseconds, readAt in those of Unix time; 0: never.
	lag, readAt atomic.Int64
	connections *connections
}

// answered counts an answer.
func (s *stats) answered(a *answer, n news) {
	s.wakes.Add(1)
	if n.payload == nil {
		s.idle.Add(1)
	}
	s.lag.Store(int64(a.behind()))
	switch {
	case n.err == nil && !n.undecided:
		s.readAt.Store(max(a.readAt.UnixNano(), s.readAt.Load()))
	case n.err != nil && reasonOf(n.err) == reasonReset:
		s.resets.Add(1)
	}
}

// failed counts a query without a good answer.
func (s *stats) failed(err error) {
	s.errors.Add(1)
	if reasonOf(err) == reasonThrottled {
		s.throttled.Add(1)
	}
}

// snapshot returns what was counted. Lag is how far the server that answered last was behind the leader: Consul does not
// tell when something changed.
func (s *stats) snapshot() discovery.Stats {
	counted := discovery.Stats{
		Lag: time.Duration(s.lag.Load()), Wakes: s.wakes.Load(), IdleWakes: s.idle.Load(), Resets: s.resets.Load(),
		Throttled: s.throttled.Load(), Errors: s.errors.Load(), Connections: s.connections.Count(),
	}
	if at := s.readAt.Load(); at != 0 {
		counted.ReadAt = time.Unix(0, at)
	}
	return counted
}
