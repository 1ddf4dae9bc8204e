package serve

import (
	"math"
	"runtime"
	"testing"
	"time"
)

func TestMemoryIsShortNearItsLimit(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	limit, used, reads := int64(math.MaxInt64), uint64(1<<40), 0
	m := &memory{
		limit: func() int64 { return limit },
		used:  func() uint64 { reads++; return used },
		clock: func() time.Time { return now },
	}
	for _, step := range []struct {
		limit int64
		used  uint64
		want  bool
	}{
		{math.MaxInt64, 1 << 40, false},
		{1000, 799, false},
		{1000, 800, true},
		{1000, 100, false},
	} {
		now = now.Add(memoryEvery)
		limit, used = step.limit, step.used
		if got := m.short(); got != step.want {
			t.Errorf("%d of %d bytes: short is %t", step.used, step.limit, got)
		}
	}
	before := reads
	used = 1000
	if m.short() || reads != before {
		t.Error("the memory is looked at for every stream")
	}
}

func TestAliveBytesCountWhatIsAlive(t *testing.T) {
	runtime.GC()
	before := aliveBytes()
	holding := func() {
		held := make([]byte, 64<<20)
		runtime.GC()
		if got := aliveBytes(); got < before+60<<20 {
			t.Errorf("%d bytes before, %d with 64 MB more", before, got)
		}
		runtime.KeepAlive(held)
	}
	holding()
	runtime.GC()
	if got := aliveBytes(); got > before+30<<20 {
		t.Errorf("%d bytes before, %d after 64 MB were given back", before, got)
	}
}
