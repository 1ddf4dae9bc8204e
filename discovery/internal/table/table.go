// Package table remembers what the reader of a source has, so that only what
// differs is sent, however long the reader took.
//
// It imports nothing of Outrigger's, and it knows neither what the values are
// nor who reads them. It is pure: it never starts a goroutine, takes a lock,
// reads a clock, or changes a value.
package table

// Table holds values by key, and what of them the reader does not have yet. A
// value that equals the zero value says that there is none. It has one owner.
type Table[K comparable, V any] struct {
	now map[K]V
	// pending is what differs from what was sent; before holds what was sent, for the same keys.
	pending, before map[K]V
	equal           func(a, b V) bool
}

// few is how many entries the map of what was sent is kept for, to be used again.
const few = 8

// New returns an empty table. Equal is asked about the zero value, too.
func New[K comparable, V any](equal func(a, b V) bool) *Table[K, V] {
	return &Table[K, V]{now: make(map[K]V), pending: make(map[K]V), before: make(map[K]V), equal: equal}
}

// Get returns the value of a key, sent or not; the zero value for none.
func (t *Table[K, V]) Get(key K) V { return t.now[key] }

// Put sets the value of a key. Of equal values the table keeps the one that was
// sent, which the reader holds too, else the newest.
func (t *Table[K, V]) Put(key K, value V) {
	var none V
	before, waiting := t.before[key]
	if !waiting {
		before = t.now[key]
	}
	if t.equal(before, value) {
		delete(t.before, key)
		delete(t.pending, key)
		value = before
	} else {
		if t.equal(value, none) {
			value = none
		}
		t.before[key], t.pending[key] = before, value
	}
	if t.equal(value, none) {
		delete(t.now, key)
		return
	}
	t.now[key] = value
}

// Remove says that there is no value any more.
func (t *Table[K, V]) Remove(key K) {
	var none V
	t.Put(key, none)
}

// Pending is what differs from what was sent, nil for nothing; the zero value
// says that a key is gone. It belongs to the reader once it is committed, and
// holds until the next Put before that.
func (t *Table[K, V]) Pending() map[K]V {
	if len(t.pending) == 0 {
		return nil
	}
	return t.pending
}

// Commit says that what is pending was sent.
func (t *Table[K, V]) Commit() {
	if len(t.pending) == 0 {
		return
	}
	t.pending = make(map[K]V)
	if len(t.before) > few {
		t.before = make(map[K]V) // A map never becomes smaller, and to clear a large one takes its time.
		return
	}
	clear(t.before)
}
