package cache

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"testing"
	"weak"

	"pgregory.net/rapid"
)

func differing(older, newer *Snapshot, t Type) (all []Changed) {
	Diff(older, newer, t, func(was, is *Resource) { all = append(all, Changed{Older: was, Newer: is}) })
	return all
}

// TestSinceIsDiff: what a snapshot remembers is the difference from the one that it is asked about, whoever asked before,
// and of the type.
func TestSinceIsDiff(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel()
		snapshots := []*Snapshot{nil}
		for range rapid.IntRange(1, 8).Draw(t, "publications") {
			m.publish(t)
			for _, node := range []string{"p", "q", "r"} {
				if info, ok := m.store.View(node); ok && !slices.Contains(snapshots, info.Snapshot) {
					snapshots = append(snapshots, info.Snapshot)
				}
			}
		}
		for range rapid.IntRange(1, 30).Draw(t, "questions") {
			older := rapid.SampledFrom(snapshots).Draw(t, "older")
			newer := rapid.SampledFrom(snapshots).Draw(t, "newer")
			typ := rapid.SampledFrom([]Type{Cluster, Endpoints}).Draw(t, "type")
			if newer == nil {
				continue
			}
			if got, want := newer.Since(older, typ), differing(older, newer, typ); !slices.Equal(got, want) {
				t.Fatalf("rev %d since rev %d: %v, want %v", newer.Rev(), older.Rev(), got, want)
			}
		}
	})
}

// TestSinceShares: what one found is given to the others who come from the same snapshot; much is not kept for long.
func TestSinceShares(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	for _, changes := range []int{1, maxLittle, maxLittle + 1} {
		older, newer := neighbours(changes)
		first, second := newer.Since(older, Cluster), newer.Since(older, Cluster)
		if len(first) != changes || &first[0] != &second[0] {
			t.Fatalf("%d changes, found twice or not at all", changes)
		}
		runtime.GC()
		third := newer.Since(older, Cluster)
		if kept := &first[0] == &third[0]; !slices.Equal(first, third) || kept != (changes <= maxLittle) {
			t.Errorf("%d changes: kept %t", changes, kept)
		}
	}
}

// TestSinceLetsGo: a snapshot that was asked about an older one does not keep that alive.
func TestSinceLetsGo(t *testing.T) {
	older, newer := neighbours(1)
	newer.Since(older, Cluster)
	gone := weak.Make(older)
	runtime.GC()
	if gone.Value() != nil {
		t.Error("the older snapshot is still there")
	}
	runtime.KeepAlive(newer)
}

// neighbours are two snapshots of one view that differ in so many names.
func neighbours(changes int) (older, newer *Snapshot) {
	s := NewStore()
	s.Publish(Publication{Nodes: map[string]*ViewSpec{"x": {Layers: []LayerID{"mesh"}, Scope: All}}})
	info, _ := s.View("x")
	older = info.Snapshot
	var p Publication
	for i := range changes {
		p.Changes = append(p.Changes, put("mesh", fmt.Sprint("n", i), "", "1"))
	}
	s.Publish(p)
	info, _ = s.View("x")
	return older, info.Snapshot
}
