package cache

import (
	"sync/atomic"

	"github.com/cespare/xxhash/v2"
)

// Rev counts publications; a later snapshot of any view has a higher or equal one.
type Rev uint64

// generation is the content of one layer, within one scope, at one moment.
type generation struct {
	sets [NumTypes]Set
}

// Snapshot is what one view holds at one moment: all types of all its layers. It is immutable.
type Snapshot struct {
	rev      Rev
	layers   []*generation // the most specific first
	self     *identity
	since    [NumTypes]atomic.Pointer[difference] // the last that was asked for
	listings listings
}

// Rev returns the publication that made the snapshot.
func (s *Snapshot) Rev() Rev {
	if s == nil {
		return 0
	}
	return s.rev
}

// Get returns the resource of that name from the most specific layer that has it, or nil.
// A nil snapshot is empty.
func (s *Snapshot) Get(t Type, name string) *Resource {
	if s == nil {
		return nil
	}
	hash := xxhash.Sum64String(name)
	for _, g := range s.layers {
		if r := g.sets[t].root.get(hash, name); r != nil {
			return visible(r)
		}
	}
	return nil
}

func visible(r *Resource) *Resource {
	if r == nil || r.IsTombstone() {
		return nil
	}
	return r
}

// All calls visit for every visible resource of the type until it returns false.
// The order depends on the names alone.
func (s *Snapshot) All(t Type, visit func(*Resource) bool) {
	if s == nil {
		return
	}
	for i, g := range s.layers {
		going := true
		g.sets[t].All(func(r *Resource) bool {
			if r.IsTombstone() || s.hidden(r, i) {
				return true
			}
			going = visit(r)
			return going
		})
		if !going {
			return
		}
	}
}

// hidden reports whether a layer before the i-th has the name of r.
func (s *Snapshot) hidden(r *Resource, i int) bool {
	for _, g := range s.layers[:i] {
		if g.sets[r.typ].root.get(r.hash, r.name) != nil {
			return true
		}
	}
	return false
}

// Len returns how many resources of the type the layers hold; a name in several layers counts for each.
func (s *Snapshot) Len(t Type) int {
	if s == nil {
		return 0
	}
	n := 0
	for _, g := range s.layers {
		n += g.sets[t].Len()
	}
	return n
}

// Diff calls visit once for every name of the type whose visible version differs between
// two snapshots, of one view or of two. One of the two resources is nil when the name came or went.
// Between snapshots of one view its cost is in proportion to the difference. A nil snapshot is empty.
func Diff(older, newer *Snapshot, t Type, visit func(older, newer *Resource)) {
	d := differ{older: older, newer: newer, typ: t, visit: visit}
	n := max(older.depth(), newer.depth())
	for d.layer = range n {
		diffSets(older.set(d.layer, t), newer.set(d.layer, t), d.name)
	}
}

func (s *Snapshot) depth() int {
	if s == nil {
		return 0
	}
	return len(s.layers)
}

func (s *Snapshot) set(layer int, t Type) Set {
	if layer >= s.depth() {
		return Set{}
	}
	return s.layers[layer].sets[t]
}

// differ turns the differences of single layers into those of what is visible.
type differ struct {
	older, newer *Snapshot
	typ          Type
	layer        int
	visit        func(older, newer *Resource)
}

func (d *differ) name(a, b *Resource) {
	name := nameOf(a, b)
	if d.seen(name) {
		return
	}
	was, is := d.older.Get(d.typ, name), d.newer.Get(d.typ, name)
	if was == is || (was != nil && is != nil && was.version == is.version) {
		return
	}
	d.visit(was, is)
}

func nameOf(a, b *Resource) string {
	if a != nil {
		return a.name
	}
	return b.name
}

// seen reports whether a layer before the present one already had a difference at the name.
func (d *differ) seen(name string) bool {
	for i := range d.layer {
		if d.older.set(i, d.typ).Get(name) != d.newer.set(i, d.typ).Get(name) {
			return true
		}
	}
	return false
}
