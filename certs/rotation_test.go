package certs

import (
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestRenewAtLiesBetweenTwentyAndFortyPercent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		life := time.Duration(rapid.Int64Range(10, 30*24*3600).Draw(t, "life")) * time.Second
		issued := newClock().Now()
		v := Validity{Version: rapid.String().Draw(t, "version"), IssuedAt: issued, NotAfter: issued.Add(life)}
		at := RenewAt(v)
		if elapsed := float64(at.Sub(issued)) / float64(life); elapsed < 0.1999 || elapsed > 0.4001 {
			t.Fatalf("renewed at %.4f of its life", elapsed)
		}
		if !at.Equal(RenewAt(v)) {
			t.Fatal("the same leaf has two moments")
		}
		if ShouldRenew(v, at.Add(-1)) || !ShouldRenew(v, at) || !ShouldRenew(v, v.NotAfter) {
			t.Fatal("ShouldRenew and RenewAt differ")
		}
	})
}

// Leaves that were signed together must not be renewed together.
func TestRenewAtSpreads(t *testing.T) {
	const leaves, buckets = 10000, 10
	issued := newClock().Now()
	var seen [buckets]int
	for i := range leaves {
		v := Validity{Version: strconv.Itoa(i), IssuedAt: issued, NotAfter: issued.Add(24 * time.Hour)}
		elapsed := RenewAt(v).Sub(issued).Hours() / 24
		seen[min(int((elapsed-0.2)/0.2*buckets), buckets-1)]++
	}
	for i, n := range seen {
		if n < leaves/buckets*8/10 || n > leaves/buckets*12/10 {
			t.Errorf("tenth %d of the window has %d of %d leaves: %v", i, n, leaves, seen)
		}
	}
}
