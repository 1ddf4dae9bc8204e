package server

import (
	"slices"

	"outrigger.dev/outrigger/xds/cache"
)

// had is what a client has of a resource before an entry is sent.
type had struct {
	// version is empty when the client has nothing.
	version string
	// res is nil when only the client knows the content (it came from an earlier stream).
	res *cache.Resource
}

func hadOf(res *cache.Resource) had {
	if res == nil {
		return had{}
	}
	return had{version: res.Version(), res: res}
}

// entry is one member of a response to be: a resource, or, with a nil one, a name that is missing or removed.
type entry struct {
	name string
	res  *cache.Resource
	had  had
	// asked says that the client waits for an answer about this name.
	asked bool
	// fresh says that the client asked for a name that it did not want before: it has nothing, whatever was sent.
	fresh bool
}

func (e entry) version() string {
	if e.res == nil {
		return ""
	}
	return e.res.Version()
}

// queue holds entries to be sent, at most one per name: a name twice in a
// response makes Envoy refuse the whole. It is indexed when first needed only.
type queue struct {
	// whole goes before list and shares no name with it; it is spilled into list when one of its names is touched.
	whole bulk
	list  []entry
	void  int // how many of list were dropped
	index map[string]int
}

func (q *queue) empty() bool { return q.len() == 0 }

func (q *queue) len() int { return q.whole.len() + len(q.list) - q.void }

// spill turns whole into single entries.
func (q *queue) spill() {
	if q.whole.whole == nil {
		return
	}
	q.list = append(q.whole.list(q.whole.len()), q.list...)
	q.whole, q.index = bulk{}, nil
}

// maxSpare is how many entries there is room for in what an empty queue keeps.
const maxSpare = 4

// reuse gives an empty queue the memory of entries that nobody needs any more.
func (q *queue) reuse(entries []entry) {
	if q.list == nil && cap(entries) > 0 && cap(entries) <= maxSpare {
		clear(entries)
		q.list = entries[:0]
	}
}

// grow makes room for entries.
func (q *queue) grow(entries int) {
	if entries > 0 {
		q.list = slices.Grow(q.list, entries)
	}
}

// pushNew adds an entry whose name is known not to be queued.
func (q *queue) pushNew(e entry) {
	if q.index != nil {
		q.index[e.name] = len(q.list)
	}
	q.list = append(q.list, e)
}

// push adds an entry, or puts it in the place of the one of its name: what the
// client had before stays true, and so does that it waits.
func (q *queue) push(e entry) {
	i, queued := q.find(e.name)
	if !queued {
		q.pushNew(e)
		return
	}
	e.had = q.list[i].had
	e.asked = e.asked || q.list[i].asked
	e.fresh = e.fresh || q.list[i].fresh
	q.list[i] = e
}

// drop takes a name out.
func (q *queue) drop(name string) {
	if i, queued := q.find(name); queued {
		q.list[i] = entry{}
		delete(q.index, name)
		q.void++
	}
}

func (q *queue) has(name string) bool {
	if q.whole.has(name) {
		return true
	}
	_, queued := q.find(name)
	return queued
}

func (q *queue) get(name string) (entry, bool) {
	i, queued := q.find(name)
	if !queued {
		return entry{}, false
	}
	return q.list[i], true
}

// setHad corrects what the client had of a queued name.
func (q *queue) setHad(name string, h had) {
	if i, queued := q.find(name); queued {
		q.list[i].had = h
	}
}

func (q *queue) find(name string) (int, bool) {
	if q.empty() {
		return 0, false
	}
	if q.whole.has(name) {
		q.spill()
	}
	if q.index == nil {
		q.index = make(map[string]int, len(q.list))
		for i, e := range q.list {
			if e.name != "" {
				q.index[e.name] = i
			}
		}
	}
	i, ok := q.index[name]
	return i, ok
}

// take calls accept for each entry in order until it returns false, and removes those before.
func (q *queue) take(accept func(entry) bool) {
	q.spill()
	n := 0
	for n < len(q.list) && (q.list[n].name == "" || accept(q.list[n])) {
		n++
	}
	if n == len(q.list) {
		*q = queue{}
		return
	}
	// The rest is copied, so that what was sent is not kept alive by it.
	q.list = append([]entry(nil), q.list[n:]...)
	q.index, q.void = nil, 0
	for _, e := range q.list {
		if e.name == "" {
			q.void++
		}
	}
}
