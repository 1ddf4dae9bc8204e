package hold

import (
	"errors"
	"time"
)

// The times of the rules.
const (
	// Settle is for how long after trouble a mass drop is doubted.
	Settle = 30 * time.Second
	// Patience is how long a mass drop has to last, without trouble, to be believed without a second read.
	Patience = 5 * time.Minute
	// Reread is when a second read is tried again that failed, or that contradicts the first.
	Reread = 30 * time.Second
)

// phase is how far a source is believed.
type phase uint8

const (
	// quiet: what the source says is gone is gone.
	quiet phase = iota
	// wary: trouble was over less than Settle ago; what is gone in masses is to be confirmed.
	wary
	// doubt: the source is in trouble; nothing is gone.
	doubt
)

// mood knows in which phase a source is.
type mood struct {
	trouble error
	// since is when the trouble began.
	since time.Time
	// lastGood is when the file was written that the state comes from; zero once the source has told its own state.
	lastGood time.Time
	// succeeds says that it comes from another source, in whose place this one is, and not from a file.
	succeeds bool
	// waryUntil is Settle after the end of the last trouble.
	waryUntil time.Time
	// synced says that whoever reads on was told that the state is complete. Before that there is nothing to lose.
	synced bool
}

func (m *mood) phase(now time.Time) phase {
	switch {
	case m.trouble != nil || !m.lastGood.IsZero():
		return doubt
	case now.Before(m.waryUntil):
		return wary
	}
	return quiet
}

// told takes in what an update says of trouble and completeness, and returns the phases before and after it. It leaves synced as
// it was before.
func (m *mood) told(now time.Time, trouble error, synced bool) (before, after phase) {
	before = m.phase(now)
	if m.trouble == nil && trouble != nil {
		m.since = now
	}
	m.trouble = trouble
	if synced {
		m.lastGood = time.Time{}
	}
	after = m.phase(now)
	if before == doubt && after != doubt && m.synced {
		m.waryUntil = now.Add(Settle)
		after = wary
	}
	return before, after
}

// goodUntil returns when the source was last in good order.
func (m *mood) goodUntil(now time.Time) time.Time {
	switch {
	case !m.lastGood.IsZero():
		return m.lastGood
	case m.trouble != nil:
		return m.since
	}
	return now
}

// heldBecause returns why something is held.
func (m *mood) heldBecause() Reason {
	switch {
	case m.trouble != nil:
		return InTrouble
	case !m.lastGood.IsZero() && m.succeeds:
		return FromBefore
	case !m.lastGood.IsZero():
		return FromFile
	}
	return Unconfirmed
}

// tell returns what those who read on are told: the trouble, or where the state comes from.
func (m *mood) tell() error {
	if m.trouble == nil && !m.lastGood.IsZero() {
		if m.succeeds {
			return errors.New("what was there before it was configured anew")
		}
		return errors.New("from the last-good file of " + m.lastGood.UTC().Format(time.RFC3339))
	}
	return m.trouble
}
