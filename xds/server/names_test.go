package server

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"outrigger.dev/outrigger/xds/cache"
)

// TestNameSetIsASet compares a set, compacted or not, over snapshots that come and go, with a plain map.
func TestNameSetIsASet(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		store := cache.NewStore()
		store.Publish(cache.Publication{Nodes: map[string]*cache.ViewSpec{"n": {Layers: []cache.LayerID{"mesh"}, Scope: cache.All}}})
		sub, err := store.Subscribe("n", nil)
		if err != nil {
			rt.Fatal(err)
		}
		current, _ := sub.Current()
		set := nameSet{typ: cache.Endpoints}
		plain := map[string]bool{}
		name := func(rt *rapid.T) string { return fmt.Sprint("e", rapid.IntRange(0, 120).Draw(rt, "name")) }
		publish := func(names []string, present bool) {
			var p cache.Publication
			for _, name := range names {
				change := cache.Change{Layer: "mesh", Ref: cache.Ref{Type: cache.Endpoints, Name: name}}
				if present {
					change.Resource = cache.NewResource(cache.ResourceConfig{Type: cache.Endpoints, Name: name})
				}
				p.Changes = append(p.Changes, change)
			}
			store.Publish(p)
			next, _ := sub.Current()
			cache.Diff(current, next, cache.Endpoints, func(older, newer *cache.Resource) {
				switch {
				case older == nil:
					set.came(newer.Name())
				case newer == nil:
					set.went(older.Name())
				}
			})
			current = next
		}
		compacted := false
		rt.Repeat(map[string]func(*rapid.T){
			"add": func(rt *rapid.T) {
				for i := range 100 {
					n := fmt.Sprint("e", i)
					if set.add(n) == plain[n] {
						rt.Fatalf("add(%s) says it was there: %t", n, !plain[n])
					}
					plain[n] = true
				}
			},
			"add one": func(rt *rapid.T) {
				n := name(rt)
				if set.add(n) == plain[n] {
					rt.Fatalf("add(%s)", n)
				}
				plain[n] = true
			},
			"remove": func(rt *rapid.T) {
				n := name(rt)
				if set.remove(n) != plain[n] {
					rt.Fatalf("remove(%s)", n)
				}
				delete(plain, n)
			},
			"publish": func(*rapid.T) {
				var all []string
				for i := range 95 {
					all = append(all, fmt.Sprint("e", i))
				}
				publish(all, true)
			},
			"publish one": func(rt *rapid.T) {
				publish([]string{name(rt)}, rapid.Bool().Draw(rt, "present"))
			},
			"compact": func(*rapid.T) {
				set.compact(&current)
				compacted = compacted || set.base != nil
			},
			"": func(rt *rapid.T) {
				bytes := 0
				for n := range plain {
					bytes += len(n)
				}
				if set.count != len(plain) || set.bytes != bytes {
					rt.Fatalf("counts %d of %d bytes, want %d of %d", set.count, set.bytes, len(plain), bytes)
				}
				for i := range 121 {
					if n := fmt.Sprint("e", i); set.has(n) != plain[n] {
						rt.Fatalf("has(%s) is %t (compacted %t)", n, set.has(n), compacted)
					}
				}
			},
		})
	})
}

// TestNameSetShrinks: a stream that asks for everything holds next to nothing.
func TestNameSetShrinks(t *testing.T) {
	store := benchMesh()
	sub, err := store.Subscribe("shop/web", nil)
	if err != nil {
		t.Fatal(err)
	}
	current, _ := sub.Current()
	set := nameSet{typ: cache.Endpoints}
	current.All(cache.Endpoints, func(r *cache.Resource) bool { set.add(r.Name()); return true })
	set.add("one more")
	set.compact(&current)
	if len(set.marks) != 1 || set.count != 1001 || !set.has("one more") || !set.has("outbound|80||service-1.shop") {
		t.Fatalf("%d marks, count %d", len(set.marks), set.count)
	}
}
