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
	// unsent is the same until what they brought was sent.
	unsent atomic.Int64
	// concerned says that some stream had to be told.
	concerned atomic.Bool
}

func (f *Feed) setOut(work *pending) *journey {
	j := &journey{observer: f.observer}
	if work != nil {
		j.readAt = work.readAt
	}
	j.open.Store(1)
	j.unsent.Store(1)
	return j
}

// leg publishes.
func (j *journey) leg(store *cache.Store, p cache.Publication) {
	if len(j.readAt) == 0 {
		store.Publish(p)
		return
	}
	j.open.Add(1)
	j.unsent.Add(1)
	p.Sent = func() {
		j.concerned.Store(true)
		j.sent()
	}
	p.Settled = j.settled
	if _, concerned := store.Publish(p); concerned == 0 {
		j.done()
	}
}

// done says that a publication concerns nobody, or that all have set out.
func (j *journey) done() {
	j.sent()
	j.settled()
}

func (j *journey) sent() { j.tell(&j.unsent, j.observer.Sent) }

func (j *journey) settled() { j.tell(&j.open, j.observer.Propagated) }

// tell counts one publication down, and after the last one tells for each change how long it took, if anybody had to be told.
func (j *journey) tell(open *atomic.Int64, took func(time.Duration)) {
	if open.Add(-1) > 0 || !j.concerned.Load() {
		return
	}
	for _, at := range j.readAt {
		took(time.Since(at))
	}
}
