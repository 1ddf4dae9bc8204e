package server

import (
	"time"

	"outrigger.dev/outrigger/xds/cache"
)

// beginLeaving notes, when all else is done, what has gone, and reports whether any of it may leave at once: removals go
// last, so that nothing that the client still uses leads to what is not there.
func (s *sotwSession) beginLeaving(now time.Time) bool {
	if !s.synced {
		return false
	}
	due := false
	for _, typ := range sotwOrder {
		t := &s.types[typ]
		if !t.requested {
			continue
		}
		if !t.whole() {
			s.forgetGone(t)
			continue
		}
		for _, name := range s.gone(t) {
			s.leave(t, name, now)
		}
		_, planned := s.plan(t, now)
		due = due || planned
	}
	return due
}

// leave notes that a name has gone, and when it may leave.
func (s *sotwSession) leave(t *sotwType, name string, now time.Time) {
	since, noted := t.leaving[name]
	if !noted {
		since = now
		t.leaving[name] = now
	}
	if at := since.Add(s.lingers(t.typ)); at.After(now) {
		earliest(&s.leaveAt, at)
	}
}

// mayLeave reports whether the time of a name that has gone has come.
func (s *sotwSession) mayLeave(t *sotwType, name string, now time.Time) bool {
	since, noted := t.leaving[name]
	return noted && !now.Before(since.Add(s.lingers(t.typ)))
}

// drop forgets what a whole set is sent without, because the client deletes it, and reports whether there was any.
func (s *sotwSession) drop(t *sotwType, now time.Time) (dropped bool) {
	for _, name := range s.gone(t) {
		if !s.mayLeave(t, name, now) {
			continue
		}
		delete(t.told, name)
		delete(t.doubt, name)
		delete(t.leaving, name)
		dropped = true
	}
	return dropped
}

// forgetGone drops what a wildcard no longer holds; of a name that is wanted by itself the client keeps what it has.
func (s *sotwSession) forgetGone(t *sotwType) {
	if !t.wildcard {
		return
	}
	for _, name := range s.gone(t) {
		if _, named := t.names[name]; !named {
			delete(t.told, name)
		}
	}
}

// lingers returns how long what has gone stays. Calls that still run keep their cluster.
func (s *sotwSession) lingers(typ cache.Type) time.Duration {
	if typ == cache.Cluster {
		return s.timing.Drain + drainMargin
	}
	return 0
}
