package serve

import (
	"sync"
	"time"

	"outrigger.dev/outrigger/cmd/outrigger/internal/metrics"
	"outrigger.dev/outrigger/discovery"
)

// sourceState is what is known of a source by what it tells.
type sourceState struct {
	mu    sync.Mutex
	state metrics.Source
}

func newSourceState(id discovery.SourceID) *sourceState {
	return &sourceState{state: metrics.Source{ID: id}}
}

// told notes an update. Trouble lasts from the first update that names it to the first that does not.
func (s *sourceState) told(update discovery.Update, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Updated = now
	s.state.Synced = s.state.Synced || update.Synced
	switch {
	case update.Trouble == nil:
		s.state.Trouble = time.Time{}
	case s.state.Trouble.IsZero():
		s.state.Trouble = now
	}
}

func (s *sourceState) now() metrics.Source {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}
