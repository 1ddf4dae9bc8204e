package cache

import "weak"

// Changed is a name whose visible version differs between two snapshots. One of the two is nil when the name came or went.
type Changed struct{ Older, Newer *Resource }

// identity tells a snapshot from others without keeping it alive. It has a size, lest two of them be at one address.
type identity struct{ _ byte }

// difference is how a snapshot differs from another in one type.
type difference struct {
	from *identity
	// little is all of it, or nil where it is much: that is forgotten at the next collection of garbage.
	little []Changed
	much   weak.Pointer[[]Changed]
}

// maxLittle is up to how many names a difference is kept: they keep what is gone alive.
const maxLittle = 64

// Since returns how a type differs from that of an older snapshot, of the same view or another, in the order of Diff. It
// must not be changed. Streams that come from the same snapshot share what the first of them found. A nil
// older snapshot is empty.
func (s *Snapshot) Since(older *Snapshot, t Type) []Changed {
	if s == older {
		return nil
	}
	from := older.identity()
	if changes, known := s.since[t].Load().get(from); known {
		return changes
	}
	var changes []Changed
	Diff(older, s, t, func(was, is *Resource) { changes = append(changes, Changed{Older: was, Newer: is}) })
	s.since[t].Store(newDifference(from, changes))
	return changes
}

func newDifference(from *identity, changes []Changed) *difference {
	if len(changes) <= maxLittle {
		return &difference{from: from, little: changes}
	}
	return &difference{from: from, much: weak.Make(&changes)}
}

// get returns the difference, if it is that from the snapshot and not forgotten.
func (d *difference) get(from *identity) (changes []Changed, known bool) {
	if d == nil || d.from != from {
		return nil, false
	}
	if d.much == (weak.Pointer[[]Changed]{}) {
		return d.little, true
	}
	if much := d.much.Value(); much != nil {
		return *much, true
	}
	return nil, false
}

func (s *Snapshot) identity() *identity {
	if s == nil {
		return nil
	}
	return s.self
}
