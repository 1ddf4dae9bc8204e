package cache

import (
	"strings"

	"github.com/cespare/xxhash/v2"
)

// Names is an immutable set of names, each with a position.
type Names struct {
	// list holds parts of one string, so that names which are looked up one after another lie close together.
	list  []string
	table []place
	size  int
}

// place is an entry of an open hash table. Position is one more than that of the name; zero is an empty entry.
type place struct{ hash, position uint32 }

// newNames makes the set of some names; those that come again are left out.
func newNames(names []string) *Names {
	n := &Names{list: make([]string, 0, len(names)), table: make([]place, tableSize(len(names)))}
	for _, name := range names {
		if at, known := n.find(name); !known {
			n.list = append(n.list, name)
			n.table[at] = place{hash: hashOf(name), position: uint32(len(n.list))}
			n.size += len(name)
		}
	}
	if 4*len(n.list) < len(names) {
		return newNames(n.list) // A table for few.
	}
	pack(n.list)
	return n
}

// tableSize returns a power of two that leaves at least half of a table empty.
func tableSize(names int) int {
	size := 2
	for size < 2*names {
		size *= 2
	}
	return size
}

func hashOf(name string) uint32 { return uint32(xxhash.Sum64String(name)) }

// find returns where in the table a name is, or would be.
func (n *Names) find(name string) (at int, known bool) {
	hash, mask := hashOf(name), len(n.table)-1
	for at = int(hash) & mask; ; at = (at + 1) & mask {
		p := n.table[at]
		if p.position == 0 {
			return at, false
		}
		if p.hash == hash && n.list[p.position-1] == name {
			return at, true
		}
	}
}

// pack puts parts of one string in the place of equal ones.
func pack(list []string) {
	all := strings.Join(list, "")
	for i, part := range list {
		list[i], all = all[:len(part)], all[len(part):]
	}
}

// Len returns how many names there are.
func (n *Names) Len() int { return len(n.list) }

// Size returns the length of all names together, in bytes.
func (n *Names) Size() int { return n.size }

// Position returns the place of a name, from 0 to Len()-1; ok is false for one that is not in the set.
func (n *Names) Position(name string) (position int, ok bool) {
	at, ok := n.find(name)
	if !ok {
		return 0, false
	}
	return int(n.table[at].position) - 1, true
}

// At returns the name at a position. It keeps all names of the set alive.
func (n *Names) At(position int) string { return n.list[position] }

func (n *Names) equal(other *Names) bool {
	if n.Len() != other.Len() {
		return false
	}
	for _, name := range n.list {
		if _, ok := other.Position(name); !ok {
			return false
		}
	}
	return true
}
