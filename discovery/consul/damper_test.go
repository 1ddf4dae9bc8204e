package consul

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"outrigger.dev/outrigger/discovery"
)

// What is shown is never better than what the registry says, and the same again once that was quiet for long enough.
func TestDamperIsNeverBetter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := newDamper()
		key := flapKey{name: name{service: "cart"}}
		now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		health := discovery.Healthy
		for range rapid.IntRange(0, 60).Draw(t, "changes") {
			next := discovery.Health(rapid.IntRange(0, 3).Draw(t, "health"))
			now = now.Add(time.Duration(rapid.IntRange(1, 20000).Draw(t, "pause")) * time.Millisecond)
			d.settle(now)
			if next != health {
				d.change(key, health, next, now)
				health = next
			}
			if shown := d.shown(key, health); shown < health {
				t.Fatalf("%s is shown as %s", health, shown)
			}
		}
		now = now.Add(flapWindow + flapHold)
		if _, next := d.settle(now); !next.IsZero() || len(d.flaps) != 0 || d.shown(key, health) != health {
			t.Fatalf("after a long quiet it is shown as %s, and not as %s", d.shown(key, health), health)
		}
	})
}
