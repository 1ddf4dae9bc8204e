package discovery

import "time"

// Stats is what a source knows of its own watching.
type Stats struct {
	// ReadAt is when the registry was last heard in good order: data are at most that old.
	ReadAt time.Time
	// Lag is how long the last change had been in the registry before it was read, where that can be told.
	Lag time.Duration
	// Wakes counts answers of watches; IdleWakes those of them that changed nothing.
	Wakes, IdleWakes uint64
	// Resets counts watches that had to begin anew: an index that went back, an expired resource version.
	Resets uint64
	// Throttled counts answers that asked to come later; Errors all that failed.
	Throttled, Errors uint64
	// Connections is how many are open to the registry, where the source knows.
	Connections int
}

// Measured is a Source that watches itself. Stats may be called from any goroutine.
type Measured interface {
	Stats() Stats
}
