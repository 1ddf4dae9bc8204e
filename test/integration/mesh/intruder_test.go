package mesh_test

import (
	"context"
	"testing"
	"time"
)

// intruder tries again and again to reach a port that takes nobody without a certificate.
type intruder struct {
	cancel          context.CancelFunc
	done            chan struct{}
	tried, answered int
}

func intrude(t *testing.T, from *pod, address string) *intruder {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	i := &intruder{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(i.done)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				i.tried++
				if _, _, err := from.get(ctx, address); err == nil {
					i.answered++
				}
			}
		}
	}()
	t.Cleanup(i.stop)
	return i
}

func (i *intruder) stop() {
	i.cancel()
	<-i.done
}

// finish fails the test when it was ever let in.
func (i *intruder) finish(t *testing.T) {
	t.Helper()
	i.stop()
	if i.answered > 0 || i.tried == 0 {
		t.Errorf("%d of %d calls in plain text were answered", i.answered, i.tried)
	}
	t.Logf("%d calls in plain text were refused", i.tried)
}
