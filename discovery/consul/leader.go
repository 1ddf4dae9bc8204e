package consul

import (
	"sync/atomic"
	"time"
)

// leaderTime is how long the leader is asked after a server was too far behind it. Asking it for ever would make it carry what any
// server can; not asking it longer than once would make trouble that comes and goes.
const leaderTime = 5 * time.Minute

// preference is until when queries go to the leader. It may be used from any goroutine.
type preference struct {
	until atomic.Int64 // Unix time in nanoseconds.
}

// prefer makes queries go to the leader from now on.
func (p *preference) prefer(now time.Time) { p.until.Store(now.Add(leaderTime).UnixNano()) }

// asked reports whether queries go to the leader.
func (p *preference) asked(now time.Time) bool { return now.UnixNano() < p.until.Load() }
