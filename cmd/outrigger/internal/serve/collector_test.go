package serve

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestCollector: while many proxies come the collector lets garbage be, and memory is given back once, when few come.
func TestCollector(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var did []int // percents; 0 is giving memory back
		c := &collector{
			storm: true,
			set:   func(percent int) { did = append(did, percent) },
			free:  func() { did = append(did, 0) },
		}
		ctx, cancel := context.WithCancel(t.Context())
		over := make(chan error, 1)
		go func() { over <- c.run(ctx) }()
		for i, came := range []int{500, 3, 0, 0, stormStreams - 1, 0, stormStreams, stormStreams, 1, 0} {
			synctest.Wait()
			for range came {
				c.opened()
			}
			<-time.NewTimer(collectorEvery).C
			synctest.Wait()
			if want := []int{0, 2, 2, 2, 2, 2, 3, 3, 5, 5}[i]; len(did) != want {
				t.Errorf("after step %d: did %v", i, did)
			}
		}
		cancel()
		if err := <-over; err != nil {
			t.Error(err)
		}
		if want := []int{40, 0, 100, 40, 0, 100}; !slices.Equal(did, want) {
			t.Errorf("did %v, want %v", did, want)
		}
	})
}
