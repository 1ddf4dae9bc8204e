package server

import "outrigger.dev/outrigger/xds/cache"

// members are those of one response: single entries or, for a client that had nothing of the type, all that a
// snapshot has of it, which costs a pointer.
type members struct {
	entries []entry
	whole   *cache.Listing
	// asked is that of the entries which whole stands for.
	asked bool
}

func (m members) len() int {
	if m.whole != nil {
		return m.whole.Names().Len()
	}
	return len(m.entries)
}

// list returns the members one by one.
func (m members) list() []entry { return m.first(m.len()) }

// first returns the first n members, or fewer.
func (m members) first(n int) []entry {
	n = min(n, m.len())
	if m.whole == nil {
		return m.entries[:n]
	}
	list := make([]entry, 0, n)
	for _, res := range m.whole.Resources()[:n] {
		list = append(list, entry{name: res.Name(), res: res, asked: m.asked})
	}
	return list
}

func (m members) has(name string) bool {
	if m.whole != nil {
		_, ok := m.whole.Names().Position(name)
		return ok
	}
	return holds(m.entries, name)
}
