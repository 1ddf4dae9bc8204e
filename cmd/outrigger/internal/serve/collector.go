package serve

import (
	"context"
	"os"
	"runtime/debug"
	"time"
)

const (
	// stormPercent is how much garbage, of what is alive, the collector waits for while proxies connect: each leaves a lot.
	stormPercent = 100
	// calmPercent is the same while none does: a change of the mesh leaves little, so that collecting sooner costs little.
	calmPercent = 40
	// collectorEvery is how often it is asked which of the two it is.
	collectorEvery = 10 * time.Second
	// stormStreams is how many streams begin in that time at least where proxies come back.
	stormStreams = 20
)

// collector suits Go's garbage collection to what happens, and gives memory back to the machine when proxies that all
// came at once are served. GOGC in the environment stands.
type collector struct {
	opened func() uint64 // streams that began so far
	set    func(percent int)
	free   func()

	last  uint64
	storm bool
}

func newCollector(opened func() uint64) *collector {
	c := &collector{opened: opened, set: func(percent int) { debug.SetGCPercent(percent) }, free: debug.FreeOSMemory}
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
	c.begin()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			c.look()
		}
	}
}

// begin expects what a start brings: sources that are read and proxies that come back.
func (c *collector) begin() {
	c.storm = true
	c.set(stormPercent)
}

// look tells a storm from calm: it is over when nobody has come since the last look.
func (c *collector) look() {
	opened := c.opened()
	came := opened - c.last
	c.last = opened
	switch {
	case !c.storm && came >= stormStreams:
		c.begin()
	case c.storm && came == 0:
		c.storm = false
		c.set(calmPercent)
		c.free()
	}
}
