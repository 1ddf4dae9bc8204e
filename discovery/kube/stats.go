package kube

import (
	"sync/atomic"
	"time"

	"outrigger.dev/outrigger/discovery"
)

// counters are what a source knows of its own watching. Any goroutine may use them.
type counters struct {
	// readAt is a time in nanoseconds, lag a duration.
	readAt, lag       atomic.Int64
	wakes, idleWakes  atomic.Uint64
	resets            atomic.Uint64
	throttled, errors atomic.Uint64
}

// heard notes that the API server said something in good order.
func (c *counters) heard(at time.Time) { c.readAt.Store(at.UnixNano()) }

func (c *counters) stats(connections int) discovery.Stats {
	stats := discovery.Stats{
		Lag: time.Duration(c.lag.Load()), Wakes: c.wakes.Load(), IdleWakes: c.idleWakes.Load(), Resets: c.resets.Load(),
		Throttled: c.throttled.Load(), Errors: c.errors.Load(), Connections: connections,
	}
	if at := c.readAt.Load(); at != 0 {
		stats.ReadAt = time.Unix(0, at)
	}
	return stats
}
