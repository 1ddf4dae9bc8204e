package server

import (
	"math/bits"

	"outrigger.dev/outrigger/xds/cache"
)

// typeMask is a set of types.
type typeMask uint8

const allTypes typeMask = 1<<cache.NumTypes - 1

func (m typeMask) first() cache.Type { return cache.Type(bits.TrailingZeros8(uint8(m))) }

func (m typeMask) has(t cache.Type) bool { return m&(1<<t) != 0 }

// before returns those of the set that come before a type.
func (m typeMask) before(t cache.Type) typeMask { return m & (1<<t - 1) }

// stir returns a type to which something is about to happen. The others are at rest and are not looked at: with
// thousands of streams each of them is a few misses of the processor's cache at every event.
func (s *session) stir(t cache.Type) *typeState {
	s.stirred |= 1 << t
	return &s.types[t]
}

// rest forgets the types that have come to rest.
func (s *session) rest() {
	for m := s.stirred; m != 0; m &= m - 1 {
		if s.types[m.first()].calm() {
			s.stirred &^= 1 << m.first()
		}
	}
}

// calm reports whether nothing is to be done for the type until something happens to it.
func (t *typeState) calm() bool {
	return !t.flight.flies() && t.queue.empty() && t.urgent.empty() && t.batches.empty() && !t.mustAnswer && !t.awaits() &&
		t.awaitUntil.IsZero() && t.blockedAt.IsZero() && len(t.withheld) == 0
}
