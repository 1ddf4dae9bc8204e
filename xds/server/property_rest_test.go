package server

import (
	"maps"
	"slices"
	"strings"
	"time"

	"outrigger.dev/outrigger/xds/cache"
)

// rest lets everything come to an end and compares.
func (w *world) rest() {
	for range 200 {
		busy := false
		for _, c := range w.unanswered() {
			if c.inbox != nil && !c.applied {
				w.take(c)
				busy = true
			}
		}
		if !busy {
			if len(w.warming) > 0 {
				w.advance(warmLimit)
				continue
			}
			if w.session.deadline(w.now).IsZero() {
				w.compare()
				return
			}
			w.advance(2 * time.Minute)
		}
	}
	w.rt.Fatal("the stream does not come to rest")
}

func (w *world) compare() {
	snapshot, _ := w.sub.Current()
	if w.session.settled != snapshot.Rev() {
		w.rt.Fatalf("settled %d of %d", w.session.settled, snapshot.Rev())
	}
	for _, typ := range served {
		c := w.types[typ]
		if !c.requested {
			continue
		}
		if len(c.asked) > 0 {
			w.rt.Fatalf("%s: not answered: %v", typ, slices.Sorted(maps.Keys(c.asked)))
		}
		w.compareType(c, snapshot)
	}
}

func (w *world) compareType(c *clientType, snapshot *cache.Snapshot) {
	wanted := maps.Clone(c.names)
	if c.wildcard {
		snapshot.All(c.typ, func(r *cache.Resource) bool { wanted[r.Name()] = true; return true })
		for name := range c.has {
			wanted[name] = true
		}
	}
	state := &w.session.types[c.typ]
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		should, has := snapshot.Get(c.typ, name), c.has[name]
		_, withheld := state.withheld[name]
		_, parked := state.parked[name]
		_, leaving := w.session.removals.byRef[cache.Ref{Type: c.typ, Name: name}]
		switch {
		case parked && should != nil && strings.HasSuffix(should.Version(), "-bad"), withheld && should != nil:
		case leaving && should == nil:
			w.mayStay(c, name)
		case !should.Equal(has):
			w.rt.Fatalf("%s %s: the client has %s, the view %s", c.typ, name, itsVersion(has), itsVersion(should))
		}
	}
}

// mayStay: a removal is held back only because something was refused.
func (w *world) mayStay(c *clientType, name string) {
	for i := range w.session.types {
		if len(w.session.types[i].parked) > 0 || len(w.session.types[i].withheld) > 0 {
			return
		}
	}
	w.rt.Fatalf("%s %s is never removed", c.typ, name)
}

func itsVersion(res *cache.Resource) string {
	if res == nil {
		return "nothing"
	}
	return res.Version()
}
