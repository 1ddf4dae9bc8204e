package cache

import (
	"sync"
	"weak"
)

// Listing is all that a snapshot shows of one type, in a form that many streams can share: who asks for everything
// costs no more than a pointer. It is immutable.
type Listing struct {
	snapshot  *Snapshot
	resources []*Resource
	names     *Names
	versions  []string // parts of one string, as the names are
	refs      func() [NumTypes]*Names
	size      int
	chunks    func() []byte
}

// Names returns the names of the resources. The position of a name is that of its resource.
func (l *Listing) Names() *Names { return l.names }

// Resources returns what is listed. It must not be changed.
func (l *Listing) Resources() []*Resource { return l.resources }

// Version returns the version of the resource at a position. It keeps all versions alive.
func (l *Listing) Version(position int) string { return l.versions[position] }

// References returns the names of a later type that the resources name, nil if none. Where they name all
// that the snapshot has of that type, it is the very set of that type's listing.
func (l *Listing) References(t Type) *Names { return l.refs()[t] }

// Size returns the length of Chunks without making them.
func (l *Listing) Size() int { return l.size }

// Chunks returns the chunks of all resources in one piece. They must not be changed.
func (l *Listing) Chunks() []byte { return l.chunks() }

// listings are the listings of a snapshot, as long as somebody uses them.
type listings struct {
	mu     sync.Mutex
	byType [NumTypes]weak.Pointer[Listing]
}

// Listing returns all that the snapshot shows of a type. It is made when it is asked for, shared by
// all who ask while one of them still holds it, and forgotten afterwards: bodies are not kept twice.
func (s *Snapshot) Listing(t Type) *Listing {
	s.listings.mu.Lock()
	defer s.listings.mu.Unlock()
	if l := s.listings.byType[t].Value(); l != nil {
		return l
	}
	l := s.newListing(t)
	s.listings.byType[t] = weak.Make(l)
	return l
}

func (s *Snapshot) newListing(t Type) *Listing {
	size := s.Len(t)
	l := &Listing{snapshot: s, resources: make([]*Resource, 0, size)}
	names := make([]string, 0, size)
	l.versions = make([]string, 0, size)
	s.All(t, func(r *Resource) bool {
		l.resources = append(l.resources, r)
		names, l.versions = append(names, r.name), append(l.versions, r.version)
		l.size += len(r.chunk)
		return true
	})
	l.names = newNames(names)
	pack(l.versions)
	l.chunks, l.refs = sync.OnceValue(l.join), sync.OnceValue(l.reference)
	return l
}

func (l *Listing) join() []byte {
	b := make([]byte, 0, l.size)
	for _, r := range l.resources {
		b = append(b, r.chunk...)
	}
	return b
}

// reference returns the names of each later type that the resources name.
func (l *Listing) reference() (sets [NumTypes]*Names) {
	var names [NumTypes][]string
	for _, r := range l.resources {
		for _, ref := range r.refs {
			if ref.Type > r.typ {
				names[ref.Type] = append(names[ref.Type], ref.Name)
			}
		}
	}
	for t, names := range names {
		if len(names) == 0 {
			continue
		}
		sets[t] = newNames(names)
		if all := l.snapshot.Listing(Type(t)).names; sets[t].equal(all) {
			sets[t] = all
		}
	}
	return sets
}
