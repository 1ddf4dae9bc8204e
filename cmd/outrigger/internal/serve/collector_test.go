package serve

import (
	"context"
	"runtime"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// collected is what a collector did: percents, and 0 for giving memory back.
func collected(t *testing.T, alive func() uint64, play func(c *collector, did *[]int)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		t.Helper()
		var did []int
		c := newCollector()
		c.set = func(percent int) { did = append(did, percent) }
		c.free = func() { did = append(did, 0) }
		c.alive = alive
		ctx, cancel := context.WithCancel(t.Context())
		over := make(chan error, 1)
		go func() { over <- c.run(ctx) }()
		synctest.Wait()
		play(c, &did)
		cancel()
		if err := <-over; err != nil {
			t.Error(err)
		}
		if last := did[len(did)-1]; last != stormPercent {
			t.Errorf("it ends at %d", last)
		}
	})
}

func elapse(d time.Duration) {
	<-time.NewTimer(d).C
	synctest.Wait()
}

// TestCollector: while many proxies come the collector lets garbage be, and memory is given back once, when few come.
func TestCollector(t *testing.T) {
	collected(t, func() uint64 { return 50 << 20 }, func(c *collector, did *[]int) {
		for i, came := range []int{500, 3, 0, 0, stormStreams - 1, 0, stormStreams, stormStreams, 1, 0} {
			for range came {
				c.opened()
			}
			elapse(collectorEvery)
			if want := []int{0, 2, 2, 2, 2, 2, 3, 3, 5, 5}[i]; len(*did) != want {
				t.Errorf("after step %d: did %v", i, *did)
			}
		}
		if want := []int{90, 0, 100, 90, 0}; !slices.Equal(*did, want) {
			t.Errorf("did %v, want %v", *did, want)
		}
	})
}

// TestCollectorBoundsGarbage: the more is alive while proxies come, the less garbage beside it, and what was alive at another
// time counts for nothing; nothing is set that is set already.
func TestCollectorBoundsGarbage(t *testing.T) {
	var alive atomic.Uint64
	collected(t, alive.Load, func(c *collector, did *[]int) {
		for _, megabytes := range []uint64{0, 10, 128, 129, 141, 150, 256, 256, 320, 400, 5000, 256, 0} {
			alive.Store(megabytes << 20)
			for range stormStreams {
				c.opened()
			}
			elapse(paceEvery)
		}
		if want := []int{90, 80, 50, 40, 30, 50, 100}; !slices.Equal(*did, want) {
			t.Errorf("did %v, want %v", *did, want)
		}
		alive.Store(256 << 20)
		elapse(2 * collectorEvery)
		if want := []int{50, 40, 0}; !slices.Equal((*did)[7:], want) {
			t.Errorf("did %v when few came, want %v", (*did)[7:], want)
		}
	})
}

// TestCollectorCalm: while few proxies come, the less is alive, the more garbage beside it.
func TestCollectorCalm(t *testing.T) {
	var alive atomic.Uint64
	collected(t, alive.Load, func(_ *collector, did *[]int) {
		for _, megabytes := range []uint64{0, 40, 60, 65, 100, 120, 1000, 60} {
			alive.Store(megabytes << 20)
			elapse(collectorEvery)
		}
		// It begins with what is set already.
		if want := []int{0, 80, 70, 40, 80}; !slices.Equal(*did, want) {
			t.Errorf("did %v, want %v", *did, want)
		}
	})
}

// TestCollectorLeavesGOGC: who sets GOGC has it so, and who does not has what is alive looked at.
func TestCollectorLeavesGOGC(t *testing.T) {
	for gogc, want := range map[string]int{"": calmPercent, "100": 100} {
		t.Setenv("GOGC", gogc)
		before := debug.SetGCPercent(100)
		newCollector().use(calmPercent)
		if got := debug.SetGCPercent(before); got != want {
			t.Errorf("with GOGC=%q: %d percent, want %d", gogc, got, want)
		}
	}
	runtime.GC()
	if alive := aliveHeap(); alive == 0 {
		t.Error("nothing is alive")
	}
}
