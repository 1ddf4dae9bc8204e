package kube

// collection is everything that is known of one kind. The world's lock guards it.
type collection[T any] struct {
	items map[key]*T
	// complete says that the items were all read once.
	complete bool
	equal    func(a, b *T) bool
	// changed is told of every difference; before or now is nil where there is none.
	changed func(k key, before, now *T)
}

func newCollection[T any](equal func(a, b *T) bool, changed func(k key, before, now *T)) *collection[T] {
	return &collection[T]{items: make(map[key]*T), equal: equal, changed: changed}
}

// put takes an object in its newest form, nil for one that is gone, and reports whether that changes anything.
func (c *collection[T]) put(k key, now *T) bool {
	before := c.items[k]
	if before == nil && now == nil || before != nil && now != nil && c.equal(before, now) {
		return false
	}
	if now == nil {
		delete(c.items, k)
	} else {
		c.items[k] = now
	}
	c.changed(k, before, now)
	return true
}

// replace takes all objects that there are.
func (c *collection[T]) replace(all map[key]*T) {
	c.complete = true
	for k := range c.items {
		if all[k] == nil {
			c.put(k, nil)
		}
	}
	for k, now := range all {
		c.put(k, now)
	}
}
