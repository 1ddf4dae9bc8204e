package serve

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/discovery/hold"
)

// sourceState is what is known of a source by what it tells, and by what is held of it.
type sourceState struct {
	id discovery.SourceID
	// synced says that it has told its whole state; updated is when it told something last.
	synced  bool
	updated time.Time
	// trouble is why what is missing is not believed, since troubled; nil: it is.
	trouble  error
	troubled time.Time
	// stats and held are nil for a source that does not know.
	stats func() discovery.Stats
	held  func() hold.Status
}

// watch knows all sources. Its methods may be called from any goroutine.
type watch struct {
	mu      sync.Mutex
	sources map[discovery.SourceID]*sourceState
}

func newWatch() *watch { return &watch{sources: map[discovery.SourceID]*sourceState{}} }

// add shows a source from now on, also one that takes the place of another.
func (w *watch) add(r registry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	state := w.sources[r.id]
	if state == nil {
		state = &sourceState{id: r.id}
		w.sources[r.id] = state
	}
	state.stats, state.held = r.stats, r.held
}

// told notes an update. Trouble lasts from the first update that names it to the first that does not.
func (w *watch) told(update discovery.Update, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	state := w.sources[update.Source]
	if state == nil {
		return
	}
	state.updated = now
	state.synced = state.synced || update.Synced
	switch {
	case update.Trouble == nil:
		state.troubled = time.Time{}
	case state.troubled.IsZero():
		state.troubled = now
	}
	state.trouble = update.Trouble
}

// synced reports whether every source has told its whole state.
func (w *watch) synced() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, state := range w.sources {
		if !state.synced {
			return false
		}
	}
	return true
}

// forget shows a source no longer.
func (w *watch) forget(id discovery.SourceID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.sources, id)
}

// all returns the sources in order.
func (w *watch) all() []sourceState {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := make([]sourceState, 0, len(w.sources))
	for _, state := range w.sources {
		all = append(all, *state)
	}
	slices.SortFunc(all, func(a, b sourceState) int {
		return cmp.Or(strings.Compare(a.id.Kind, b.id.Kind), strings.Compare(a.id.Name, b.id.Name))
	})
	return all
}
