package server

import "outrigger.dev/outrigger/xds/cache"

// members are those of one response: single entries or, for a client that had nothing of the type, all that a
// snapshot has of it, which costs a pointer.
type members struct {
	entries []entry
	bulk
}

// bulk is all that a snapshot has of a type, or nothing.
type bulk struct {
	whole *cache.Listing
	// asked is that of the entries which whole stands for.
	asked bool
}

func (b bulk) len() int {
	if b.whole == nil {
		return 0
	}
	return b.whole.Names().Len()
}

func (b bulk) has(name string) bool {
	if b.whole == nil {
		return false
	}
	_, ok := b.whole.Names().Position(name)
	return ok
}

// list returns the first n, or fewer, one by one.
func (b bulk) list(n int) []entry {
	n = min(n, b.len())
	if n == 0 {
		return nil
	}
	list := make([]entry, 0, n)
	for _, res := range b.whole.Resources()[:n] {
		list = append(list, entry{name: res.Name(), res: res, asked: b.asked})
	}
	return list
}

func (m members) len() int { return len(m.entries) + m.bulk.len() }

// list returns the members one by one.
func (m members) list() []entry { return m.first(m.len()) }

// first returns the first n members, or fewer.
func (m members) first(n int) []entry {
	if m.whole != nil {
		return m.bulk.list(n)
	}
	return m.entries[:min(n, len(m.entries))]
}

func (m members) has(name string) bool { return holds(m.entries, name) || m.bulk.has(name) }
