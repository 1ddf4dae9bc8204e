package serve

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
	"time"

	enginemetrics "outrigger.dev/outrigger/cmd/outrigger/internal/metrics"
	"outrigger.dev/outrigger/xds/server"
)

const (
	// stormPercent is how much garbage, of what is alive, the collector waits for while proxies connect: each leaves a lot.
	stormPercent = 100
	// calmPercent is the same while none does: a change of the mesh leaves little, so that collecting sooner costs little.
	calmPercent = 40
	// calmGarbage is how many bytes of garbage it waits for then, at least, up to what is alive: where little is, more often
	// than that costs more than the memory is worth.
	calmGarbage = 48 << 20
	// stormGarbage is how many bytes of garbage it waits for while proxies connect, unless stormLeast is more: where much is
	// alive, as with thousands of proxies, as much again is more than a machine may have.
	stormGarbage = 128 << 20
	stormLeast   = 30
	// percentStep is how finely the percentage follows what is alive.
	percentStep = 10
	// collectorEvery is how often it is asked whether proxies connect and, while none does, what is alive; paceEvery is how
	// often what is alive is looked at while they do.
	collectorEvery = 10 * time.Second
	paceEvery      = 500 * time.Millisecond
	// stormStreams is how many streams begin between two looks at least where proxies come back.
	stormStreams = 20
)

// collector suits Go's garbage collection to what happens, and gives memory back to the machine when proxies that all
// came at once are served. GOGC in the environment stands.
type collector struct {
	set   func(percent int)
	free  func()
	alive func() uint64 // in bytes

	came  atomic.Int64  // streams that began since the last look
	begun chan struct{} // of capacity one: many have come

	// Those below belong to run.
	storm   bool
	percent int // what was set
}

func newCollector() *collector {
	// What a start brings is a storm: sources that are read, and proxies that come back.
	c := &collector{
		storm: true, percent: stormPercent, begun: make(chan struct{}, 1),
		set: func(percent int) { debug.SetGCPercent(percent) }, free: debug.FreeOSMemory, alive: aliveHeap,
	}
	if os.Getenv("GOGC") != "" {
		c.set = func(int) {}
	}
	return c
}

// aliveHeap is what the collector found alive last.
func aliveHeap() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// run looks again and again until ctx ends.
func (c *collector) run(ctx context.Context) error {
	look, pace := time.NewTicker(collectorEvery), time.NewTicker(paceEvery)
	defer look.Stop()
	defer pace.Stop()
	defer c.set(stormPercent)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-c.begun:
			c.storm = true
		case <-look.C:
			c.look()
		case <-pace.C:
		}
		if c.storm {
			c.use(stormPercentFor(c.alive()))
		}
	}
}

// opened is told of every stream that begins. It does not wait.
func (c *collector) opened() {
	if c.came.Add(1) != stormStreams {
		return
	}
	select {
	case c.begun <- struct{}{}:
	default:
	}
}

// look tells a storm from calm: it is over when few have come since the last look, as new proxies always do.
func (c *collector) look() {
	if few := c.came.Swap(0) < stormStreams; !few {
		return
	}
	over := c.storm
	c.storm = false
	c.use(calmPercentFor(c.alive()))
	if over {
		c.free() // It takes its time.
	}
}

// use sets a percentage, which stops the process for a moment, if it is another one.
func (c *collector) use(percent int) {
	if percent != c.percent {
		c.percent = percent
		c.set(percent)
	}
}

// stormPercentFor is the percentage while proxies connect.
func stormPercentFor(alive uint64) int { return percentFor(stormGarbage, alive, stormLeast) }

// calmPercentFor is the percentage while none does.
func calmPercentFor(alive uint64) int { return percentFor(calmGarbage, alive, calmPercent) }

// percentFor is what so much garbage is of what is alive, but not less than least, nor more than in a storm.
func percentFor(garbage, alive uint64, least int) int {
	percent := 100 * garbage / max(alive, 1)
	return min(max(int(percent-percent%percentStep), least), stormPercent)
}

// engineObserver tells the collector, too, of streams that begin.
type engineObserver struct {
	*enginemetrics.Engine
	collector *collector
}

// Opened counts a stream.
func (o engineObserver) Opened(peer server.Peer) {
	o.Engine.Opened(peer)
	o.collector.opened()
}
