package consul

// table holds values by key and remembers what of them the reader has, so that only what differs is sent, however
// long the reader took. The zero value of V means that there is none.
type table[K comparable, V any] struct {
	now, sent map[K]V
	// changed are the keys whose values may differ from what was sent.
	changed map[K]struct{}
	equal   func(a, b V) bool
}

func newTable[K comparable, V any](equal func(a, b V) bool) *table[K, V] {
	return &table[K, V]{now: make(map[K]V), sent: make(map[K]V), changed: make(map[K]struct{}), equal: equal}
}

func (t *table[K, V]) put(key K, value V) {
	t.now[key] = value
	t.changed[key] = struct{}{}
}

func (t *table[K, V]) remove(key K) {
	if _, ok := t.now[key]; ok {
		delete(t.now, key)
		t.changed[key] = struct{}{}
	}
}

// pending returns what differs from what was sent; the zero value says that a key is gone.
func (t *table[K, V]) pending() map[K]V {
	update := make(map[K]V, len(t.changed))
	for key := range t.changed {
		value, now := t.now[key]
		before, sent := t.sent[key]
		if now == sent && (!now || t.equal(value, before)) {
			delete(t.changed, key)
			continue
		}
		update[key] = value
	}
	return update
}

// commit says that what is pending was sent.
func (t *table[K, V]) commit() {
	for key := range t.changed {
		if value, ok := t.now[key]; ok {
			t.sent[key] = value
		} else {
			delete(t.sent, key)
		}
	}
	clear(t.changed)
}
