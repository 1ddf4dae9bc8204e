package server

import "outrigger.dev/outrigger/xds/cache"

// debts are the names that a stream owes its client an answer about. They are few, or all that a
// large response references: a set that many streams share, and a bit for each that is paid.
type debts struct {
	names map[string]struct{}
	whole *cache.Names
	paid  bitset
	left  int // of whole
}

func (d *debts) len() int { return len(d.names) + d.left }

func (d *debts) has(name string) bool {
	if _, ok := d.names[name]; ok {
		return true
	}
	_, ok := d.position(name)
	return ok
}

// position returns the place of a name in whole, if it is not paid.
func (d *debts) position(name string) (int, bool) {
	if d.left == 0 {
		return 0, false
	}
	i, ok := d.whole.Position(name)
	return i, ok && !d.paid.has(i)
}

func (d *debts) add(name string) {
	if d.has(name) {
		return
	}
	if d.names == nil {
		d.names = map[string]struct{}{}
	}
	d.names[name] = struct{}{}
}

// addAll adds a set to none.
func (d *debts) addAll(names *cache.Names) {
	*d = debts{whole: names, left: names.Len()}
}

func (d *debts) pay(name string) {
	delete(d.names, name)
	if i, owed := d.position(name); owed {
		if d.paid == nil {
			d.paid = newBitset(d.whole.Len())
		}
		d.paid.set(i)
		d.left--
	}
	d.forget()
}

// payAll pays for a set at once, where it is the one that is owed.
func (d *debts) payAll(names *cache.Names) {
	if names == d.whole {
		d.left = 0
	} else {
		for i := range names.Len() {
			d.pay(names.At(i))
		}
	}
	for name := range d.names {
		if _, ok := names.Position(name); ok {
			delete(d.names, name)
		}
	}
	d.forget()
}

// forget gives back what is not needed once all is paid.
func (d *debts) forget() {
	if d.len() == 0 {
		*d = debts{}
	}
}

// bitset is a set of small numbers.
type bitset []uint64

func newBitset(size int) bitset { return make(bitset, (size+63)/64) }

func (b bitset) has(i int) bool {
	return len(b) > 0 && b[i/64]&(1<<(i%64)) != 0
}

func (b bitset) set(i int) { b[i/64] |= 1 << (i % 64) }

func (b bitset) clear(i int) { b[i/64] &^= 1 << (i % 64) }
