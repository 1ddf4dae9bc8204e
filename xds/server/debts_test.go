package server

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"outrigger.dev/outrigger/xds/cache"
)

// namesOf returns a set as a snapshot makes it.
func namesOf(tb testing.TB, names []string) *cache.Names {
	tb.Helper()
	store := cache.NewStore()
	p := cache.Publication{Nodes: map[string]*cache.ViewSpec{"n": {Layers: []cache.LayerID{"mesh"}, Scope: cache.All}}}
	for _, name := range names {
		p.Changes = append(p.Changes, cache.Change{Layer: "mesh", Ref: cache.Ref{Type: cache.Endpoints, Name: name}, Resource: cache.NewResource(
			cache.ResourceConfig{Type: cache.Endpoints, Name: name, Body: []byte("body")},
		)})
	}
	store.Publish(p)
	sub, err := store.Subscribe("n", nil)
	if err != nil {
		tb.Fatal(err)
	}
	snapshot, _ := sub.Current()
	return snapshot.Listing(cache.Endpoints).Names()
}

// TestDebtsAreASet compares debts, however they came, with a plain map.
func TestDebtsAreASet(t *testing.T) {
	var all, other []string
	for i := range 10 {
		all = append(all, fmt.Sprint("e", i))
		other = append(other, fmt.Sprint("e", 2*i))
	}
	sets := []*cache.Names{namesOf(t, all), namesOf(t, other)}
	rapid.Check(t, func(rt *rapid.T) {
		var d debts
		plain := map[string]bool{}
		name := func(rt *rapid.T) string { return fmt.Sprint("e", rapid.IntRange(0, 20).Draw(rt, "name")) }
		set := func(rt *rapid.T) *cache.Names { return rapid.SampledFrom(sets).Draw(rt, "set") }
		rt.Repeat(map[string]func(*rapid.T){
			"add": func(rt *rapid.T) { n := name(rt); d.add(n); plain[n] = true },
			"pay": func(rt *rapid.T) { n := name(rt); d.pay(n); delete(plain, n) },
			"addAll": func(rt *rapid.T) {
				if len(plain) > 0 {
					rt.Skip("it adds to none")
				}
				names := set(rt)
				d.addAll(names)
				for i := range names.Len() {
					plain[names.At(i)] = true
				}
			},
			"payAll": func(rt *rapid.T) {
				names := set(rt)
				d.payAll(names)
				for i := range names.Len() {
					delete(plain, names.At(i))
				}
			},
			"": func(rt *rapid.T) {
				if d.len() != len(plain) {
					rt.Fatalf("%d debts, want %d", d.len(), len(plain))
				}
				for i := range 22 {
					if n := fmt.Sprint("e", i); d.has(n) != plain[n] {
						rt.Fatalf("has(%s) = %v", n, d.has(n))
					}
				}
			},
		})
	})
}
