package prefetch_test

import (
	"testing"

	"outrigger.dev/outrigger/xds/internal/prefetch"
)

// What is asked for stays as it is, at the end of what the process has of memory too, and nil is nothing.
func TestOf(t *testing.T) {
	values := make([][3]uint64, 1000)
	for i := range values {
		values[i] = [3]uint64{uint64(i), 1, 2}
		prefetch.Of(&values[i])
		prefetch.Head(&values[i], 1<<40)
		prefetch.Head(&values[i], 0)
	}
	prefetch.Of[[100]uint64](nil)
	prefetch.Of(&struct{}{})
	for i, v := range values {
		if v != [3]uint64{uint64(i), 1, 2} {
			t.Fatalf("value %d is %v", i, v)
		}
	}
}

// BenchmarkOf is what asking costs where all is there already: 16 lines.
func BenchmarkOf(b *testing.B) {
	var value [1024]byte
	for b.Loop() {
		prefetch.Of(&value)
	}
}
