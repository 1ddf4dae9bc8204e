package server

import (
	"sync"
	"sync/atomic"
	"testing"
)

// TestTurn: one goroutine at a time has the turn, and whatever happened is looked at after it happened.
func TestTurn(t *testing.T) {
	t.Parallel()
	const events, callers = 2000, 8
	var (
		turn     turn
		happened atomic.Int64
		owners   atomic.Int32
		seen     int64 // belongs to the owner
		work     sync.WaitGroup
	)
	own := func() {
		for {
			if owners.Add(1) != 1 {
				t.Error("two have the turn")
			}
			seen = happened.Load()
			owners.Add(-1)
			if turn.give() {
				return
			}
		}
	}
	own() // It begins as taken.
	for caller := range callers {
		work.Go(func() {
			for range events {
				happened.Add(1)
				switch {
				case caller%2 == 0 && turn.take(), caller%2 == 1 && turn.queue() && turn.takeQueued():
					own()
				}
			}
		})
	}
	work.Wait()
	// A stream that was queued by one and taken by another is free again, so that the last event was seen.
	if !turn.take() {
		t.Fatal("the turn was never given back")
	}
	if seen != callers*events {
		t.Errorf("seen up to %d of %d", seen, callers*events)
	}
	turn.end()
	if turn.take() || turn.queue() {
		t.Error("the turn of a stream that is over was taken")
	}
}
