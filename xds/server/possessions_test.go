package server

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"outrigger.dev/outrigger/xds/cache"
)

// listed is a snapshot with n resources of a type, e0 to e(n-1), of version v0 to v(n-1).
func listed(tb rapid.TB, t cache.Type, n int) *cache.Snapshot {
	tb.Helper()
	store := cache.NewStore()
	p := cache.Publication{Nodes: map[string]*cache.ViewSpec{"n": {Layers: []cache.LayerID{"mesh"}, Scope: cache.All}}}
	for i := range n {
		config := cache.ResourceConfig{Type: t, Name: fmt.Sprint("e", i), Version: fmt.Sprint("v", i), Body: []byte("body")}
		p.Changes = append(p.Changes, cache.Change{
			Layer: "mesh", Ref: cache.Ref{Type: t, Name: config.Name}, Resource: cache.NewResource(config),
		})
	}
	store.Publish(p)
	sub, err := store.Subscribe("n", nil)
	if err != nil {
		tb.Fatalf("subscribe: %v", err)
	}
	defer sub.Close()
	snapshot, _ := sub.Current()
	return snapshot
}

// drawHeld draws what a client says that it has: of a name that comes twice, the last counts.
func drawHeld(rt *rapid.T) (versions []held, last map[string]string) {
	last = map[string]string{}
	for range rapid.IntRange(0, 40).Draw(rt, "held") {
		h := held{name: fmt.Sprint("e", rapid.IntRange(0, 14).Draw(rt, "of")), version: fmt.Sprint("v", rapid.IntRange(0, 14).Draw(rt, "version"))}
		if rapid.Bool().Draw(rt, "same") {
			h.version = "v" + h.name[1:]
		}
		versions = append(versions, h)
		last[h.name] = h.version
	}
	return versions, last
}

// TestPossessionsAreWhatTheClientSays compares them, made in either way, with a plain map.
func TestPossessionsAreWhatTheClientSays(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		versions, last := drawHeld(rt)
		base := listed(rt, cache.Cluster, rapid.IntRange(0, 10).Draw(rt, "listed"))
		for _, wholeFrom := range []int{0, 1 << 20} {
			has := possessionsOf(versions, base, cache.Cluster, wholeFrom)
			if has.nothing() != (len(last) == 0) {
				rt.Errorf("nothing: %t, has %v", has.nothing(), last)
			}
			for i := range 16 {
				if name := fmt.Sprint("e", i); has.version(name) != last[name] {
					rt.Errorf("%s is %q, want %q", name, has.version(name), last[name])
				}
			}
		}
	})
}

// TestAskingForNearlyAllIsAsking compares a first request that is taken as a whole with one that is taken name by name.
func TestAskingForNearlyAllIsAsking(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		base := listed(rt, cache.Endpoints, rapid.IntRange(0, 10).Draw(rt, "listed"))
		r := &request{typ: cache.Endpoints, known: true}
		r.versions, _ = drawHeld(rt)
		for i := range base.Len(cache.Endpoints) + 2 {
			if rapid.IntRange(0, 9).Draw(rt, "asks") > 0 {
				r.subscribe = append(r.subscribe, fmt.Sprint("e", i))
			}
		}
		r.subscribe = append(r.subscribe, rapid.SampledFrom([]string{"e0", "e1", "*"}).Draw(rt, "again"))
		one, single := answersOf(rt, base, r, 1<<20)
		all, whole := answersOf(rt, base, r, 1)
		if !slices.Equal(one, all) || single.count != whole.count || single.bytes != whole.bytes {
			rt.Errorf("answers %q, %d names of %d bytes; one by one %q, %d of %d", all, whole.count, whole.bytes, one, single.count, single.bytes)
		}
		for i := range 16 {
			if name := fmt.Sprint("e", i); single.has(name) != whole.has(name) {
				rt.Errorf("%s is asked for: %t, one by one %t", name, whole.has(name), single.has(name))
			}
		}
	})
}

// answersOf returns what a session queues for a first request, sorted, and the names that it keeps.
func answersOf(tb rapid.TB, base *cache.Snapshot, r *request, wholeFrom int) (answers []string, names *nameSet) {
	tb.Helper()
	s := newSession(&settings{
		timing: Timing{}.withDefaults(), limits: Limits{}.withDefaults(), observer: noObserver{},
		heads: newHeads("test"), refusals: newRefusals(), wholeFrom: wholeFrom,
	}, Peer{Node: "n"}, base, rand.NewPCG(1, 2))
	t := &s.types[r.typ]
	s.subscribeFirst(t, r, time.Unix(1e9, 0))
	for _, e := range append(t.queue.whole.list(t.queue.whole.len()), t.queue.list...) {
		answers = append(answers, fmt.Sprintf("%s@%s over %q, asked %t", e.name, e.version(), e.had.version, e.asked))
	}
	slices.Sort(answers)
	return answers, &t.names
}
