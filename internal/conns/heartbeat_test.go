package conns_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"outrigger.dev/outrigger/internal/conns"
)

// TestHeartbeat plays answers, and demands when the next question comes and after which of them connections are cut.
func TestHeartbeat(t *testing.T) {
	type turn struct {
		answer conns.Answer
		// within is how long the answer may take, pause is the time to the next question, cut says that the connection that was open is no more then.
		within, pause time.Duration
		cut           bool
	}
	turns := []turn{
		{answer: conns.Good, within: conns.AskLimit, pause: conns.Beat},
		{answer: conns.Silent, within: conns.AskLimit, pause: time.Second},
		{answer: conns.Bad, within: 2 * conns.AskLimit, pause: time.Second},
		{answer: conns.Silent, within: conns.AskLimit, pause: time.Second},
		{answer: conns.Late, within: 2 * conns.AskLimit, pause: time.Second},
		{answer: conns.Silent, within: conns.AskLimit, pause: time.Second},
		{answer: conns.Good, within: 2 * conns.AskLimit, pause: conns.Beat},
		{answer: conns.Silent, within: conns.AskLimit, pause: time.Second},
		{answer: conns.Silent, within: 2 * conns.AskLimit, pause: time.Second, cut: true},
		{answer: conns.Silent, within: conns.AskLimit, pause: time.Second},
		{answer: conns.Silent, within: 2 * conns.AskLimit, pause: time.Second, cut: true},
		{answer: conns.Good, within: conns.AskLimit, pause: conns.Beat},
	}
	synctest.Test(t, func(t *testing.T) {
		var others far
		d := conns.New(others.dial)
		defer d.Close()
		ctx, stop := context.WithCancel(t.Context())
		n, asked := 0, time.Now()
		beat := conns.Heartbeat{Dialer: d, Ask: func(_ context.Context, within time.Duration) conns.Answer {
			if n > 0 {
				before := turns[n-1]
				if got := time.Since(asked); got != before.pause {
					t.Errorf("question %d comes after %s, not %s", n, got, before.pause)
				}
				if got := d.Count() == 0; got != before.cut {
					t.Errorf("before question %d: cut %t, not %t", n, got, before.cut)
				}
			}
			asked = time.Now()
			if n == len(turns) {
				stop()
				return conns.Bad
			}
			if d.Count() == 0 {
				open(t, d)
			}
			if turns[n].within != within {
				t.Errorf("question %d may take %s, not %s", n, within, turns[n].within)
			}
			n++
			return turns[n-1].answer
		}}
		if err := beat.Run(ctx); !errors.Is(err, context.Canceled) || n != len(turns) {
			t.Errorf("it ends after %d questions with %v", n, err)
		}
	})
}
