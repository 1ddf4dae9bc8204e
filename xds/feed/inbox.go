package feed

import (
	"maps"
	"sync"

	"outrigger.dev/outrigger/discovery"
)

// inbox gathers what is offered until it is taken. Producers hold its lock for as long as a merge takes.
type inbox struct {
	// wake is sent to after every put.
	wake chan struct{}

	mu      sync.Mutex
	pending *pending
	// waiting are the sources that have not synced yet; opened is set once there were none.
	waiting map[discovery.SourceID]struct{}
	opened  bool
	// troubles are those that the sources named last, and troubled says that they are others than were taken.
	troubles map[discovery.SourceID]error
	troubled bool
}

func newInbox(sources []discovery.SourceID) inbox {
	waiting := make(map[discovery.SourceID]struct{}, len(sources))
	for _, s := range sources {
		waiting[s] = struct{}{}
	}
	return inbox{wake: make(chan struct{}, 1), waiting: waiting, troubles: map[discovery.SourceID]error{}}
}

func (i *inbox) put(in Input) {
	i.mu.Lock()
	if i.pending == nil {
		i.pending = newPending()
	}
	i.pending.add(in)
	if in.Update.Source != (discovery.SourceID{}) {
		i.note(in.Update.Source, in.Update.Trouble)
	}
	if in.Update.Synced {
		delete(i.waiting, in.Update.Source)
	}
	i.mu.Unlock()
	select {
	case i.wake <- struct{}{}:
	default:
	}
}

// note remembers the trouble of a source, nil for none; it must be called with the lock.
func (i *inbox) note(source discovery.SourceID, trouble error) {
	if !sameError(i.troubles[source], trouble) {
		i.troubles[source], i.troubled = trouble, true
	}
}

// expect has the first publication wait for a source too.
func (i *inbox) expect(source discovery.SourceID) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.opened {
		i.waiting[source] = struct{}{}
	}
}

// unexpect ends that; who took a source away tells it with an Input.
func (i *inbox) unexpect(source discovery.SourceID) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.waiting, source)
}

// take returns what has come together, nil when nothing has. It leaves everything where it is until all sources are synced.
func (i *inbox) take() (work *pending, synced bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.waiting) > 0 {
		return nil, false
	}
	i.opened = true
	work, i.pending = i.pending, nil
	return work, true
}

// takeTroubles returns the state of the sources, nil while that is what was taken last.
func (i *inbox) takeTroubles() map[discovery.SourceID]error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.troubled {
		return nil
	}
	i.troubled = false
	return maps.Clone(i.troubles)
}
