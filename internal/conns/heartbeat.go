package conns

import (
	"context"
	"time"
)

const (
	// Beat is the time between two questions. A server that hangs is noticed
	// after Beat and AskLimit at the latest: 10 s.
	Beat = 5 * time.Second
	// AskLimit is how long one question may take.
	AskLimit = 5 * time.Second
	// beatAgain is the time until the next question after a bad answer.
	beatAgain = time.Second
	// cutAfter is how many questions go unanswered before the connections are cut.
	cutAfter = 2
)

// Answer is what came of a question to a server.
type Answer uint8

// The answers.
const (
	// Good: the server said what it should, or asked to come later.
	Good Answer = iota
	// Bad: it said something else.
	Bad
	// Silent: it said nothing.
	Silent
)

// Heartbeat asks a server again and again whether it is there: a connection
// that hangs looks like one on which nothing happens. Connections on which
// nothing comes back are cut.
type Heartbeat struct {
	// Ask asks once, bounds itself by AskLimit, and tells whoever has to know what came of it.
	Ask    func(ctx context.Context) Answer
	Dialer *Dialer
}

// Run asks until ctx ends, and returns ctx's error.
func (h Heartbeat) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	missed := 0
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		}
		pause := beatAgain
		switch h.Ask(ctx) {
		case Good:
			missed, pause = 0, Beat
		case Silent:
			missed++
		case Bad:
			missed = 0
		}
		if missed == cutAfter {
			missed = 0
			h.Dialer.Cut()
		}
		timer.Reset(pause)
	}
}
