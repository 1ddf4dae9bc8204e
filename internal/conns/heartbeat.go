package conns

import (
	"context"
	"time"
)

const (
	// Beat is the time between two questions. A server that hangs is noticed
	// after Beat and AskLimit at the latest: 10 s.
	Beat = 5 * time.Second
	// AskLimit is how long an answer may take.
	AskLimit = 5 * time.Second
	// patience is how long a question is waited for that follows one without an answer: a server that is slow does not hang, and
	// to begin anew with all that it was asked for would make it slower.
	patience = 2 * AskLimit
	// beatAgain is the time until the next question after a bad answer.
	beatAgain = time.Second
	// cutAfter is how many questions go unanswered before the connections are cut.
	cutAfter = 2
)

// Answer is how a server answered.
type Answer uint8

// The answers.
const (
	// Good: the server said what it should, or asked to come later.
	Good Answer = iota
	// Bad: it said something else, or too late.
	Bad
	// Silent: it said nothing.
	Silent
)

// Heartbeat asks a server again and again whether it is there: a connection
// that hangs looks like one on which nothing happens. Connections on which
// nothing came back since the first of two questions without an answer are cut.
type Heartbeat struct {
	// Ask asks once; an error says that the server did not say what it should.
	Ask func(ctx context.Context) error
	// Take is told what Ask returned, and returns how that is to be taken. It is not told of what came too late, within twice AskLimit:
	// that ends no trouble, since the next question would bring it back.
	Take   func(ctx context.Context, err error) Answer
	Dialer *Dialer
}

// Run asks until ctx ends, and returns ctx's error.
func (h Heartbeat) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	missed, since := 0, time.Time{}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		}
		pause, within := beatAgain, patience
		if missed == 0 {
			since, within = time.Now(), AskLimit
		}
		switch h.ask(ctx, within) {
		case Good:
			missed, pause = 0, Beat
		case Silent:
			missed++
		case Bad:
			missed = 0
		}
		if missed == cutAfter {
			missed = 0
			h.Dialer.CutSilent(since)
		}
		timer.Reset(pause)
	}
}

// ask asks once, within a time.
func (h Heartbeat) ask(ctx context.Context, within time.Duration) Answer {
	asked := time.Now()
	limited, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	err := h.Ask(limited)
	if ctx.Err() != nil || (err == nil && time.Since(asked) > AskLimit) {
		return Bad
	}
	return h.Take(ctx, err)
}
