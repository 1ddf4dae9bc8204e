package consul

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestCursor(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	const bound = 5 * time.Second
	type step struct {
		answer  answer
		verdict verdict
		reason  reason
		index   uint64
		leading bool
	}
	for name, steps := range map[string][]step{
		"the index moves on": {
			{answer{index: 7, knownLeader: true}, believed, "", 7, false},
			{answer{index: 7, knownLeader: true}, believed, "", 7, false},
			{answer{index: 9, knownLeader: true}, believed, "", 9, false},
		},
		"0 is 1": {{answer{knownLeader: true}, believed, "", 1, false}},
		"an index that goes back begins anew, with the leader": {
			{answer{index: 7, knownLeader: true}, believed, "", 7, false},
			{answer{index: 3, knownLeader: true}, doubted, reasonReset, 0, true},
			{answer{index: 3, knownLeader: true}, believed, "", 3, false},
		},
		"filtered is partial": {
			{answer{index: 7, knownLeader: true, filtered: true}, partial, reasonFiltered, 7, false},
			{answer{index: 8, knownLeader: true}, believed, "", 8, false},
		},
		"far behind is doubted, and the leader is asked": {
			{answer{index: 7, knownLeader: true, lastContact: bound}, believed, "", 7, false},
			{answer{index: 8, knownLeader: true, lastContact: bound + 1}, doubted, reasonStale, 0, true},
			{answer{index: 8, knownLeader: true}, believed, "", 8, false},
		},
		"without a leader it is doubted":      {{answer{index: 7}, doubted, reasonStale, 0, true}},
		"a stream knows of no leader and lag": {{answer{index: 7, streaming: true, lastContact: time.Hour}, believed, "", 7, false}},
	} {
		t.Run(name, func(t *testing.T) {
			var c cursor
			for i, s := range steps {
				s.answer.readAt = now
				got, err := c.take(&s.answer, bound)
				if got != s.verdict || c.index != s.index || c.sure != s.leading || (err == nil) != (s.reason == "") {
					t.Fatalf("step %d: verdict %d, %+v, %v", i, got, c, err)
				}
				if err != nil && reasonOf(err) != s.reason {
					t.Errorf("step %d: %v", i, err)
				}
			}
		})
	}
}

// Whatever is answered, a query never waits for an index below the one before without asking anew in between, and never for 0.
func TestCursorNeverGoesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c cursor
		var highest uint64
		for range rapid.IntRange(1, 50).Draw(t, "answers") {
			a := answer{
				index: rapid.Uint64Range(0, 20).Draw(t, "index"), knownLeader: rapid.Bool().Draw(t, "leader"),
				lastContact: time.Duration(rapid.IntRange(0, 10).Draw(t, "lag")) * time.Second,
				streaming:   rapid.Bool().Draw(t, "streaming"), filtered: rapid.Bool().Draw(t, "filtered"),
			}
			verdict, err := c.take(&a, 5*time.Second)
			switch {
			case (verdict == believed) != (err == nil):
				t.Fatalf("verdict %d with %v", verdict, err)
			case verdict == doubted && c.index != 0:
				t.Fatalf("after a doubt it blocks: %+v", c)
			case verdict != doubted && (c.index == 0 || c.index < highest):
				t.Fatalf("it waits for %d after %d: %+v", c.index, highest, c)
			}
			if highest = max(highest, c.index); reasonOf(err) == reasonReset && err != nil {
				highest = 0
			}
			if rapid.Bool().Draw(t, "an error comes") {
				c.retry()
			}
		}
	})
}
