package serve

import (
	"context"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"outrigger.dev/outrigger/cmd/outrigger/internal/metrics"
	"outrigger.dev/outrigger/xds/server"
)

const (
	// stormPercent is how much garbage, of what is alive, the collector waits for while proxies connect: each leaves a lot.
	stormPercent = 100
	// calmPercent is the same while none does: a change of the mesh leaves little, so that collecting sooner costs little.
	calmPercent = 40
	// collectorEvery is how often it is asked which of the two it is.
	collectorEvery = 10 * time.Second
	// stormStreams is how many streams begin between two looks at least where proxies come back.
	stormStreams = 20
)

// collector suits Go's garbage collection to what happens, and gives memory back to the machine when proxies that all
// came at once are served. GOGC in the environment stands.
type collector struct {
	set  func(percent int)
	free func()

	mu    sync.Mutex
	came  int // streams that began since the last look
	storm bool
}

func newCollector() *collector {
	// What a start brings is a storm: sources that are read, and proxies that come back.
	c := &collector{storm: true, set: func(percent int) { debug.SetGCPercent(percent) }, free: debug.FreeOSMemory}
	if os.Getenv("GOGC") != "" {
		c.set = func(int) {}
	}
	return c
}

// run looks again and again until ctx ends.
func (c *collector) run(ctx context.Context) error {
	ticker := time.NewTicker(collectorEvery)
	defer ticker.Stop()
	defer c.set(stormPercent)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			c.look()
		}
	}
}

// opened is told of every stream that begins.
func (c *collector) opened() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.came++; c.came >= stormStreams && !c.storm {
		c.begin()
	}
}

// begin expects many streams. The caller holds mu.
func (c *collector) begin() {
	c.storm = true
	c.set(stormPercent)
}

// look tells a storm from calm: it is over when few have come since the last look, as new proxies always do.
func (c *collector) look() {
	c.mu.Lock()
	over := c.storm && c.came < stormStreams
	c.came = 0
	if over {
		c.storm = false
		c.set(calmPercent)
	}
	c.mu.Unlock()
	if over {
		c.free() // It takes its time.
	}
}

// engineObserver tells the collector, too, of streams that begin.
type engineObserver struct {
	*metrics.Engine
	collector *collector
}

// Opened counts a stream.
func (o engineObserver) Opened(peer server.Peer) {
	o.Engine.Opened(peer)
	o.collector.opened()
}
