package feed

import (
	"sync/atomic"
	"time"

	"outrigger.dev/outrigger/xds/cache"
)

// journey follows what was read until the last stream has it, over one publication or two.
type journey struct {
	observer Observer
	readAt   []time.Time
	// open counts the publications that are on their way, and the Feed itself until all have set out.
	open atomic.Int64
	// concerned says that some stream had to be told.
	concerned atomic.Bool
}

func (f *Feed) setOut(work *pending) *journey {
	j := &journey{observer: f.observer}
	if work != nil {
		j.readAt = work.readAt
	}
	j.open.Store(1)
	return j
}

// leg publishes.
func (j *journey) leg(store *cache.Store, p cache.Publication) {
	if len(j.readAt) == 0 {
		store.Publish(p)
		return
	}
	j.open.Add(1)
	p.Settled = func() {
		j.concerned.Store(true)
		j.done()
	}
	if _, concerned := store.Publish(p); concerned == 0 {
		j.done()
	}
}

func (j *journey) done() {
	if j.open.Add(-1) > 0 || !j.concerned.Load() {
		return
	}
	for _, at := range j.readAt {
		j.observer.Propagated(time.Since(at))
	}
}
