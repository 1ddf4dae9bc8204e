package cache

// Changed is a name whose visible version differs between two snapshots. One of the two is nil when the name came or went.
type Changed struct{ Older, Newer *Resource }

// maxRemembered bounds the differences that a snapshot remembers of a type: they keep what is gone alive.
const maxRemembered = 64

// identity tells a snapshot from others without keeping it alive. It has a size, lest two of them be at one address.
type identity struct{ _ byte }

// difference is how a snapshot differs from another in one type.
type difference struct {
	from    *identity
	changes []Changed
}

// Since returns how a type differs from that of an older snapshot, of the same view or another, in the order of Diff. It
// must not be changed. Streams that come from the same snapshot share what the first of them found,
// if that is little. A nil older snapshot is empty.
func (s *Snapshot) Since(older *Snapshot, t Type) []Changed {
	if s == older {
		return nil
	}
	from := older.identity()
	if known := s.since[t].Load(); known != nil && known.from == from {
		return known.changes
	}
	var changes []Changed
	Diff(older, s, t, func(was, is *Resource) { changes = append(changes, Changed{Older: was, Newer: is}) })
	if len(changes) <= maxRemembered {
		s.since[t].Store(&difference{from: from, changes: changes})
	}
	return changes
}

func (s *Snapshot) identity() *identity {
	if s == nil {
		return nil
	}
	return s.self
}
