package server

import "outrigger.dev/outrigger/xds/cache"

// nameSet holds the names of one type that a client asked for explicitly.
//
// A proxy with full scope asks for almost every name of a type, so that a map
// per stream would hold the mesh once more. A set that has become large is
// therefore kept as "all names of the snapshot that the client has, but ...".
type nameSet struct {
	typ cache.Type
	// base, when not nil, is where the snapshot is kept that the client has: every name that it holds is a member.
	base **cache.Snapshot
	// marks overrules base: true a member, false none. Without a base it holds members only.
	marks map[string]bool
	count int
	// bytes is the length of all names.
	bytes int
	// tried is the count at which compact last found that it does not pay.
	tried int
}

// compactFrom is the size from which a set is worth compacting.
const compactFrom = 64

// knows is has for a name of which the caller knows whether base has it.
func (n *nameSet) knows(name string, based bool) bool {
	if member, ok := n.marks[name]; ok {
		return member
	}
	return based && n.base != nil
}

func (n *nameSet) has(name string) bool {
	if member, ok := n.marks[name]; ok {
		return member
	}
	return n.base != nil && (*n.base).Get(n.typ, name) != nil
}

// add reports whether the name is new to the set.
func (n *nameSet) add(name string) bool {
	fresh := n.insert(name)
	if fresh {
		n.bytes += len(name)
	}
	return fresh
}

func (n *nameSet) insert(name string) bool {
	if n.base == nil {
		n.mark(name, true)
		fresh := len(n.marks) > n.count
		n.count = len(n.marks)
		return fresh
	}
	if n.has(name) {
		return false
	}
	n.count++
	if _, marked := n.marks[name]; marked {
		delete(n.marks, name)
		return true
	}
	n.mark(name, true)
	return true
}

// remove reports whether the name was in the set.
func (n *nameSet) remove(name string) bool {
	if !n.has(name) {
		return false
	}
	n.count--
	n.bytes -= len(name)
	if _, marked := n.marks[name]; marked {
		delete(n.marks, name)
		return true
	}
	n.mark(name, false)
	return true
}

// adopt makes an empty set of the names that are asked for, nearly all of what a snapshot lists.
func (n *nameSet) adopt(base **cache.Snapshot, l *cache.Listing, asked asked) {
	n.base, n.count, n.bytes = base, l.Names().Len()-asked.missing+len(asked.others), l.Names().Size()
	for _, name := range asked.others {
		n.mark(name, true)
		n.bytes += len(name)
	}
	for i, res := range l.Resources() {
		if asked.missing > 0 && !asked.members.has(i) {
			n.mark(res.Name(), false)
			n.bytes -= len(res.Name())
		}
	}
}

// expect makes room for the names of a first request.
func (n *nameSet) expect(names int) {
	if names > 0 && n.marks == nil {
		n.marks = make(map[string]bool, names)
	}
}

func (n *nameSet) mark(name string, member bool) {
	if n.marks == nil {
		n.marks = map[string]bool{}
	}
	n.marks[name] = member
}

// came tells the set, before the snapshot after base takes its place, of a name that base has not.
func (n *nameSet) came(name string) {
	if n.base == nil {
		return
	}
	if n.marks[name] {
		delete(n.marks, name)
		return
	}
	n.mark(name, false)
}

// went tells the set, before the snapshot after base takes its place, of a name that this lacks.
func (n *nameSet) went(name string) {
	if n.base == nil {
		return
	}
	if _, marked := n.marks[name]; marked {
		delete(n.marks, name)
		return
	}
	n.mark(name, true)
}

// compact keeps the set as the difference from the snapshot that the client has where that is much smaller.
func (n *nameSet) compact(base **cache.Snapshot) {
	if n.base != nil || n.count < compactFrom || n.count == n.tried {
		return
	}
	n.tried = n.count
	current := *base
	marks := map[string]bool{}
	common := 0
	current.All(n.typ, func(r *cache.Resource) bool {
		if n.marks[r.Name()] {
			common++
		} else {
			marks[r.Name()] = false
		}
		return len(marks) <= n.count/4
	})
	if len(marks)+n.count-common > n.count/4 {
		return
	}
	if common < n.count {
		for name := range n.marks {
			if current.Get(n.typ, name) == nil {
				marks[name] = true
			}
		}
	}
	n.base, n.marks = base, marks
}
