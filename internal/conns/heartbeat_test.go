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
		// took is how long the answer took, within how long it could, pause the time from it to the next question. Late says that nobody
		// is told of it, cut that the connection that was open is no more then.
		took, within, pause time.Duration
		late, cut           bool
	}
	late := conns.AskLimit + time.Second
	turns := []turn{
		{answer: conns.Good, within: conns.AskLimit, pause: conns.Beat, took: conns.AskLimit},
		{answer: conns.Silent, within: conns.AskLimit, pause: time.Second},
		{answer: conns.Bad, within: 2 * conns.AskLimit, pause: time.Second, took: late},
		{answer: conns.Silent, within: conns.AskLimit, pause: time.Second},
		{answer: conns.Good, within: 2 * conns.AskLimit, pause: time.Second, took: late, late: true},
		{answer: conns.Silent, within: conns.AskLimit, pause: time.Second},
		{answer: conns.Good, within: 2 * conns.AskLimit, pause: conns.Beat},
		{answer: conns.Silent, within: conns.AskLimit, pause: time.Second},
		{answer: conns.Silent, within: 2 * conns.AskLimit, pause: time.Second, cut: true},
		{answer: conns.Silent, within: conns.AskLimit, pause: time.Second},
		{answer: conns.Silent, within: 2 * conns.AskLimit, pause: time.Second, cut: true, took: 2 * conns.AskLimit},
		{answer: conns.Good, within: conns.AskLimit, pause: conns.Beat},
	}
	synctest.Test(t, func(t *testing.T) {
		var others far
		d := conns.New(others.dial)
		defer d.Close()
		ctx, stop := context.WithCancel(t.Context())
		n, told, answered := 0, 0, time.Now()
		beat := conns.Heartbeat{Dialer: d}
		beat.Ask = func(ctx context.Context) error {
			if n > 0 {
				before := turns[n-1]
				if got := time.Since(answered); got != before.pause {
					t.Errorf("question %d comes after %s, not %s", n, got, before.pause)
				}
				if got := d.Count() == 0; got != before.cut {
					t.Errorf("before question %d: cut %t, not %t", n, got, before.cut)
				}
			}
			if n == len(turns) {
				stop()
				return ctx.Err()
			}
			if d.Count() == 0 {
				open(t, d)
			}
			now := turns[n]
			if limit, _ := ctx.Deadline(); time.Until(limit) != now.within {
				t.Errorf("question %d may take %s, not %s", n, time.Until(limit), now.within)
			}
			n++
			pass(now.took)
			answered = time.Now()
			if now.late {
				told++
			}
			if now.answer == conns.Good {
				return nil
			}
			return errors.New("no good answer")
		}
		beat.Take = func(_ context.Context, err error) conns.Answer {
			if told++; told != n {
				t.Errorf("of %d answers %d are told", n, told)
			}
			if want := turns[n-1].answer; (err == nil) != (want == conns.Good) {
				t.Errorf("answer %d is told as %v", n, err)
			}
			return turns[n-1].answer
		}
		if err := beat.Run(ctx); !errors.Is(err, context.Canceled) || n != len(turns) || told != n {
			t.Errorf("it ends after %d questions with %v", n, err)
		}
	})
}
