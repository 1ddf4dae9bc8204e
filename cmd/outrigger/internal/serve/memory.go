package serve

import (
	"context"
	"log/slog"
	"math"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

const (
	// memoryRatio is how much of the container's memory Go may use; the rest is for what Go does not count.
	memoryRatio = 0.9
	// shortRatio is from which part of that on memory is short, when what is alive is counted alone.
	shortRatio = 0.8
	// memoryEvery is how long a look at the memory holds good.
	memoryEvery = 100 * time.Millisecond
)

// limitMemory tells the runtime how much memory the container has. GOMEMLIMIT in the environment stands.
func limitMemory(ctx context.Context, logger *slog.Logger) {
	limit, err := memlimit.Set(memlimit.WithRatio(memoryRatio))
	switch {
	case err != nil:
		logger.WarnContext(ctx, "the memory limit of the container cannot be read: set GOMEMLIMIT", "error", err)
	case limit == math.MaxInt64:
		logger.InfoContext(ctx, "memory is not limited")
	default:
		logger.InfoContext(ctx, "memory is limited", "bytes", limit)
	}
}

// memory tells when the process comes close to its limit.
type memory struct {
	limit func() int64  // in bytes; math.MaxInt64: none
	used  func() uint64 // in bytes
	clock func() time.Time

	mu     sync.Mutex
	readAt time.Time
	little bool
}

func newMemory() *memory {
	return &memory{limit: func() int64 { return debug.SetMemoryLimit(-1) }, used: aliveBytes, clock: time.Now}
}

// short reports whether little memory is left.
func (m *memory) short() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.clock()
	if m.readAt.IsZero() || now.Sub(m.readAt) >= memoryEvery {
		m.readAt = now
		limit := m.limit()
		m.little = limit != math.MaxInt64 && float64(m.used()) >= shortRatio*float64(limit)
	}
	return m.little
}

// aliveBytes is what the collector found alive last, and what cannot be collected. Garbage does not count: near the
// limit there is always much of it, and the collector takes it back.
func aliveBytes() uint64 {
	samples := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/heap/stacks:bytes"},
		{Name: "/memory/classes/os-stacks:bytes"},
		{Name: "/memory/classes/metadata/mcache/inuse:bytes"},
		{Name: "/memory/classes/metadata/mspan/inuse:bytes"},
		{Name: "/memory/classes/metadata/other:bytes"},
		{Name: "/memory/classes/other:bytes"},
	}
	metrics.Read(samples)
	var sum uint64
	for _, s := range samples {
		if s.Value.Kind() == metrics.KindUint64 {
			sum += s.Value.Uint64()
		}
	}
	return sum
}
