package serve

import (
	"testing"
	"time"
)

func TestRetireDelayIsLongerThanProxiesDrain(t *testing.T) {
	t.Parallel()
	for drain, want := range map[time.Duration]time.Duration{0: 0, time.Second: 6 * time.Second, 10 * time.Minute: 605 * time.Second} {
		if got := retireDelay(drain); got != want {
			t.Errorf("retireDelay(%s) = %s, want %s", drain, got, want)
		}
	}
}
