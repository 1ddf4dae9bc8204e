package server

import "slices"

// batches are the responses that go each by itself: what was refused and is sent again by halves, and what others of the client's
// version refused. It is indexed when first needed only.
type batches struct {
	list [][]entry
	// pressing is how many of them, the first ones, were urgent, or were sent before and refused.
	pressing int
	index    map[string]*entry
}

func (b *batches) empty() bool { return len(b.list) == 0 }

// again puts what was refused in front of all others.
func (b *batches) again(halves [][]entry) {
	b.list = append(halves, b.list...)
	b.pressing += len(halves)
	b.index = nil
}

// setAside makes a response of its own of an entry, behind those that press, or as the last of them.
func (b *batches) setAside(e entry, presses bool) {
	at := len(b.list)
	if presses {
		at = b.pressing
		b.pressing++
	}
	b.list = slices.Insert(b.list, at, []entry{e})
	b.index = nil
}

// take removes and returns the first; nil where there is none.
func (b *batches) take() []entry {
	if b.empty() {
		return nil
	}
	first := b.list[0]
	b.list, b.pressing, b.index = b.list[1:], max(b.pressing-1, 0), nil
	if len(b.list) == 0 {
		b.list = nil
	}
	return first
}

// get returns the first entry of a name, nil if there is none. It holds good until they change.
func (b *batches) get(name string) *entry {
	if b.empty() {
		return nil
	}
	if b.index == nil {
		b.index = map[string]*entry{}
		for _, batch := range b.list {
			for i := range batch {
				if b.index[batch[i].name] == nil {
					b.index[batch[i].name] = &batch[i]
				}
			}
		}
	}
	return b.index[name]
}

// drop takes out what is not to be sent.
func (b *batches) drop(out func(e entry) bool) {
	if b.empty() {
		return
	}
	for i, batch := range b.list {
		b.list[i] = slices.DeleteFunc(batch, out)
	}
	for _, batch := range b.list[:b.pressing] {
		if len(batch) == 0 {
			b.pressing--
		}
	}
	b.list = slices.DeleteFunc(b.list, func(batch []entry) bool { return len(batch) == 0 })
	b.index = nil
}
