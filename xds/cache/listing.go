package cache

import (
	"sync"
	"weak"
)

// Names is an immutable set of names, each with a position.
type Names struct {
	list  []string
	index map[string]int
	size  int
}

func newNames(size int) *Names {
	return &Names{list: make([]string, 0, size), index: make(map[string]int, size)}
}

func (n *Names) add(name string) {
	if _, twice := n.index[name]; !twice {
		n.index[name] = len(n.list)
		n.list = append(n.list, name)
		n.size += len(name)
	}
}

// Len returns how many names there are.
func (n *Names) Len() int { return len(n.list) }

// Size returns the length of all names together, in bytes.
func (n *Names) Size() int { return n.size }

// Position returns the place of a name, from 0 to Len()-1; ok is false for one that is not in the set.
func (n *Names) Position(name string) (position int, ok bool) {
	position, ok = n.index[name]
	return position, ok
}

// At returns the name at a position.
func (n *Names) At(position int) string { return n.list[position] }

func (n *Names) equal(other *Names) bool {
	if n.Len() != other.Len() {
		return false
	}
	for _, name := range n.list {
		if _, ok := other.index[name]; !ok {
			return false
		}
	}
	return true
}

// Listing is all that a snapshot shows of one type, in a form that many streams can share: who asks for everything
// costs no more than a pointer. It is immutable.
type Listing struct {
	resources []*Resource
	names     *Names
	refs      [NumTypes]*Names
	size      int
	chunks    func() []byte
}

// Names returns the names of the resources. The position of a name is that of its resource.
func (l *Listing) Names() *Names { return l.names }

// Resources returns what is listed. It must not be changed.
func (l *Listing) Resources() []*Resource { return l.resources }

// References returns the names of a later type that the resources name, nil if none. Where they name all
// that the snapshot has of that type, it is the very set of that type's listing.
func (l *Listing) References(t Type) *Names { return l.refs[t] }

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
	return s.listing(t)
}

func (s *Snapshot) listing(t Type) *Listing {
	if l := s.listings.byType[t].Value(); l != nil {
		return l
	}
	l := s.newListing(t)
	s.listings.byType[t] = weak.Make(l)
	return l
}

func (s *Snapshot) newListing(t Type) *Listing {
	size := s.Len(t)
	l := &Listing{resources: make([]*Resource, 0, size), names: newNames(size)}
	s.All(t, func(r *Resource) bool {
		l.resources = append(l.resources, r)
		l.names.add(r.name)
		l.size += len(r.chunk)
		return true
	})
	l.chunks = sync.OnceValue(l.join)
	for later := t + 1; int(later) < NumTypes; later++ {
		l.refs[later] = s.referenced(l, later)
	}
	return l
}

func (l *Listing) join() []byte {
	b := make([]byte, 0, l.size)
	for _, r := range l.resources {
		b = append(b, r.chunk...)
	}
	return b
}

// referenced returns the names of a type that a listing names.
func (s *Snapshot) referenced(l *Listing, t Type) *Names {
	var names *Names
	for _, r := range l.resources {
		for _, ref := range r.refs {
			if ref.Type != t {
				continue
			}
			if names == nil {
				names = newNames(len(l.resources))
			}
			names.add(ref.Name)
		}
	}
	if names == nil {
		return nil
	}
	if all := s.listing(t).names; names.equal(all) {
		return all
	}
	return names
}
