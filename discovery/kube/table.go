package kube

// table holds values by key, and what of them the reader does not have yet, so
// that only what differs is sent, however long the reader took. A value that
// equals the zero value says that there is none.
type table[K comparable, V any] struct {
	now map[K]V
	// pending is what differs from what was sent; before holds what was sent, for the same keys.
	pending, before map[K]V
	equal           func(a, b V) bool
}

func newTable[K comparable, V any](equal func(a, b V) bool) *table[K, V] {
	return &table[K, V]{now: make(map[K]V), pending: make(map[K]V), before: make(map[K]V), equal: equal}
}

func (t *table[K, V]) put(key K, value V) {
	var none V
	known := t.now[key]
	if t.equal(known, value) {
		return
	}
	if t.equal(value, none) {
		value = none
	}
	before, waiting := t.before[key]
	if !waiting {
		before = known
		t.before[key] = known
	}
	if t.equal(before, value) {
		delete(t.before, key)
		delete(t.pending, key)
		value = before
	} else {
		t.pending[key] = value
	}
	if t.equal(value, none) {
		delete(t.now, key)
		return
	}
	t.now[key] = value
}

func (t *table[K, V]) remove(key K) {
	var none V
	t.put(key, none)
}

// update is what is pending; nil for nothing. It belongs to the reader once it is committed.
func (t *table[K, V]) update() map[K]V {
	if len(t.before) == 0 {
		return nil
	}
	return t.pending
}

// commit says that what is pending was sent.
func (t *table[K, V]) commit() {
	if len(t.before) == 0 {
		return
	}
	t.pending, t.before = make(map[K]V), make(map[K]V)
}
