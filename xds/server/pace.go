package server

import (
	"time"

	"golang.org/x/time/rate"
)

// A client may send so many requests a second in the long run, and so many at once, that answer nothing of ours; what
// is beyond is read later. Envoy sends one when it needs something new: with a hundred clusters that
// are asked for at the first request of each, a hundred.
const (
	requestPace  rate.Limit = 100
	requestBurst int        = 1000
)

// pace slows a client that floods its stream. What is not read stays with the client: gRPC gives it no more room.
type pace struct {
	limiter *rate.Limiter // made when the first request comes that answers nothing
	seen    uint64        // unasked requests that are counted already
	due     time.Time     // when the next message may be read; zero: now
}

// count takes note of the requests so far that answered nothing of ours.
func (p *pace) count(unasked uint64, now time.Time) {
	n := unasked - p.seen
	if n == 0 {
		return
	}
	p.seen = unasked
	if p.limiter == nil {
		p.limiter = rate.NewLimiter(requestPace, requestBurst)
	}
	p.due = time.Time{}
	if delay := p.limiter.ReserveN(now, int(n)).DelayFrom(now); delay > 0 {
		p.due = now.Add(delay)
	}
}

// reads reports whether a message may be read now.
func (p *pace) reads(now time.Time) bool {
	if p.due.IsZero() {
		return true
	}
	if now.Before(p.due) {
		return false
	}
	p.due = time.Time{}
	return true
}
