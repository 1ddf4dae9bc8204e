package debug

import (
	"slices"
	"sync"
	"time"

	"outrigger.dev/outrigger/xds/cache"
)

// ledgerLen is how many revisions are remembered.
const ledgerLen = 256

// Revision is a state of the configuration that was published.
type Revision struct {
	// ID is the digest of what was read; it is the same on every replica.
	ID string `json:"id"`
	// Publication is the number by which this replica had published it.
	Publication uint64    `json:"publication"`
	At          time.Time `json:"at"`
}

// Ledger remembers which revision was visible with which publication. Its methods may be called at any time.
type Ledger struct {
	mu   sync.Mutex
	list []Revision // the oldest first
}

// Note remembers that a revision is visible with a publication, and since when.
func (l *Ledger) Note(id string, publication cache.Rev, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.list); n > 0 && l.list[n-1].ID == id {
		return
	}
	if len(l.list) == ledgerLen {
		l.list = slices.Delete(l.list, 0, 1)
	}
	l.list = append(l.list, Revision{ID: id, Publication: uint64(publication), At: at})
}

// revisions returns what is remembered, the oldest first.
func (l *Ledger) revisions() []Revision {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.list)
}
