package cache

import "math/bits"

// visitDiff is called with the resources of one name in the old and the new set; one of the two may be nil.
type visitDiff func(older, newer *Resource)

// diffSets calls visit for every name whose resource is not the same pointer in both sets.
// Parts that both share are not looked at.
func diffSets(older, newer Set, visit visitDiff) {
	diffNodes(older.root, newer.root, 0, visit)
}

func diffNodes(a, b *node, shift uint, visit visitDiff) {
	switch {
	case a == b:
	case a == nil:
		b.all(func(r *Resource) bool { visit(nil, r); return true })
	case b == nil:
		a.all(func(r *Resource) bool { visit(r, nil); return true })
	case shift > maxShift:
		diffBuckets(a, b, visit)
	default:
		diffSlots(a, b, shift, visit)
	}
}

func diffSlots(a, b *node, shift uint, visit visitDiff) {
	for union := a.bitmap | b.bitmap; union != 0; union &= union - 1 {
		bit := union & -union
		diffSlot(a.slotAt(bit), b.slotAt(bit), shift+levelBits, visit)
	}
}

func (n *node) slotAt(bit uint32) slot {
	if n.bitmap&bit == 0 {
		return slot{}
	}
	return n.slots[bits.OnesCount32(n.bitmap&(bit-1))]
}

func diffSlot(a, b slot, shift uint, visit visitDiff) {
	if a == b {
		return
	}
	if a.leaf != nil && b.leaf != nil {
		if a.leaf.name == b.leaf.name {
			visit(a.leaf, b.leaf)
			return
		}
		visit(a.leaf, nil)
		visit(nil, b.leaf)
		return
	}
	diffNodes(a.asNode(shift), b.asNode(shift), shift, visit)
}

// asNode gives a resource that stands alone the form that it would have among others.
func (s slot) asNode(shift uint) *node {
	if s.leaf == nil {
		return s.node
	}
	var empty *node
	n, _ := empty.with(s.leaf, shift)
	return n
}

func diffBuckets(a, b *node, visit visitDiff) {
	for _, s := range a.slots {
		if other := b.bucketGet(s.leaf.name); other != s.leaf {
			visit(s.leaf, other)
		}
	}
	for _, s := range b.slots {
		if a.bucketGet(s.leaf.name) == nil {
			visit(nil, s.leaf)
		}
	}
}
