package cache

import (
	"math/bits"

	"github.com/cespare/xxhash/v2"
)

// Set is an immutable map from name to resource. With and Without share all that
// did not change, so that an old set costs little to keep and two sets that came from one another
// are compared in time proportional to their difference. The zero value is empty.
//
// It is a trie over the hash of the name, five bits a level. Its form depends
// on the content alone, never on the order of changes.
type Set struct {
	root *node
	size int
}

// node holds at most one child per value of five bits, or, below the last
// level, the resources of one hash, sorted by name, with no bitmap.
type node struct {
	bitmap uint32
	slots  []slot
}

// slot is either a resource or a node.
type slot struct {
	leaf *Resource
	node *node
}

const (
	levelBits = 5
	maxShift  = 60 // the last level that hash bits are left for
)

// Len returns how many names the set holds.
func (s Set) Len() int { return s.size }

// Get returns the resource of that name, or nil.
func (s Set) Get(name string) *Resource {
	if s.root == nil {
		return nil
	}
	return s.root.get(xxhash.Sum64String(name), name)
}

func (n *node) get(hash uint64, name string) *Resource {
	for shift := uint(0); n != nil; shift += levelBits {
		if shift > maxShift {
			return n.bucketGet(name)
		}
		bit, index := n.position(hash, shift)
		if n.bitmap&bit == 0 {
			return nil
		}
		if leaf := n.slots[index].leaf; leaf != nil {
			if leaf.name == name {
				return leaf
			}
			return nil
		}
		n = n.slots[index].node
	}
	return nil
}

func (n *node) bucketGet(name string) *Resource {
	for _, s := range n.slots {
		if s.leaf.name == name {
			return s.leaf
		}
	}
	return nil
}

// position returns the bit of the hash at that level and where its slot is, or would be.
func (n *node) position(hash uint64, shift uint) (bit uint32, index int) {
	bit = 1 << (hash >> shift & (1<<levelBits - 1))
	return bit, bits.OnesCount32(n.bitmap & (bit - 1))
}

// With returns the set with r in place of what had its name.
func (s Set) With(r *Resource) Set {
	root, added := s.root.with(r, 0)
	if added {
		s.size++
	}
	s.root = root
	return s
}

func (n *node) with(r *Resource, shift uint) (result *node, added bool) {
	if n == nil {
		n = &node{}
	}
	if shift > maxShift {
		return n.bucketWith(r)
	}
	bit, index := n.position(r.hash, shift)
	if n.bitmap&bit == 0 {
		return n.inserted(index, bit, slot{leaf: r}), true
	}
	child, added := n.slots[index].with(r, shift+levelBits)
	return n.replaced(index, child), added
}

func (s slot) with(r *Resource, shift uint) (result slot, added bool) {
	if s.leaf != nil && s.leaf.name == r.name {
		return slot{leaf: r}, false
	}
	child := s.node
	if s.leaf != nil {
		child, _ = child.with(s.leaf, shift)
	}
	child, added = child.with(r, shift)
	return slot{node: child}, added
}

func (n *node) bucketWith(r *Resource) (result *node, added bool) {
	for i, s := range n.slots {
		if s.leaf.name == r.name {
			return n.replaced(i, slot{leaf: r}), false
		}
		if s.leaf.name > r.name {
			return n.inserted(i, 0, slot{leaf: r}), true
		}
	}
	return n.inserted(len(n.slots), 0, slot{leaf: r}), true
}

func (n *node) inserted(index int, bit uint32, s slot) *node {
	slots := make([]slot, len(n.slots)+1)
	copy(slots, n.slots[:index])
	slots[index] = s
	copy(slots[index+1:], n.slots[index:])
	return &node{bitmap: n.bitmap | bit, slots: slots}
}

func (n *node) replaced(index int, s slot) *node {
	slots := make([]slot, len(n.slots))
	copy(slots, n.slots)
	slots[index] = s
	return &node{bitmap: n.bitmap, slots: slots}
}

func (n *node) removed(index int, bit uint32) *node {
	if len(n.slots) == 1 {
		return nil
	}
	slots := make([]slot, len(n.slots)-1)
	copy(slots, n.slots[:index])
	copy(slots[index:], n.slots[index+1:])
	return &node{bitmap: n.bitmap &^ bit, slots: slots}
}

// Without returns the set without that name.
func (s Set) Without(name string) Set {
	root, gone := s.root.without(xxhash.Sum64String(name), name, 0)
	if gone {
		s.size--
		s.root = root
	}
	return s
}

func (n *node) without(hash uint64, name string, shift uint) (result *node, gone bool) {
	if n == nil {
		return nil, false
	}
	if shift > maxShift {
		return n.bucketWithout(name)
	}
	bit, index := n.position(hash, shift)
	if n.bitmap&bit == 0 {
		return n, false
	}
	s := n.slots[index]
	if s.leaf != nil {
		if s.leaf.name != name {
			return n, false
		}
		return n.removed(index, bit), true
	}
	child, gone := s.node.without(hash, name, shift+levelBits)
	if !gone {
		return n, false
	}
	return n.replaced(index, child.asSlot()), true
}

// asSlot keeps the form canonical: a node with nothing but one resource stands as that resource.
func (n *node) asSlot() slot {
	if len(n.slots) == 1 && n.slots[0].leaf != nil {
		return n.slots[0]
	}
	return slot{node: n}
}

func (n *node) bucketWithout(name string) (result *node, gone bool) {
	for i, s := range n.slots {
		if s.leaf.name == name {
			return n.removed(i, 0), true
		}
	}
	return n, false
}

// All calls visit for every resource, in the order of the hashes of their names, until it returns false.
func (s Set) All(visit func(*Resource) bool) { s.root.all(visit) }

func (n *node) all(visit func(*Resource) bool) bool {
	if n == nil {
		return true
	}
	for _, s := range n.slots {
		if s.leaf != nil {
			if !visit(s.leaf) {
				return false
			}
		} else if !s.node.all(visit) {
			return false
		}
	}
	return true
}
