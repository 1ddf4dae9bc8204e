package build

import (
	"cmp"
	"slices"
	"strings"

	"outrigger.dev/outrigger/discovery"
)

// ledger counts who found what problem, so that a problem that many records have is
// told once, and is gone when the last of them lost it.
type ledger struct {
	counts map[discovery.ObjectID]map[discovery.Problem]int
	told   map[discovery.ObjectID][]discovery.Problem
	dirty  map[discovery.ObjectID]struct{}
}

func newLedger() ledger {
	return ledger{
		counts: map[discovery.ObjectID]map[discovery.Problem]int{},
		told:   map[discovery.ObjectID][]discovery.Problem{},
		dirty:  map[discovery.ObjectID]struct{}{},
	}
}

// replace puts a record's problems in place of those that it had.
func (l *ledger) replace(had *[]discovery.Problem, now []discovery.Problem) {
	if slices.Equal(*had, now) {
		return
	}
	for _, p := range *had {
		l.count(p, -1)
	}
	for _, p := range now {
		l.count(p, 1)
	}
	*had = now
}

func (l *ledger) count(p discovery.Problem, by int) {
	l.dirty[p.Object] = struct{}{}
	if l.counts[p.Object] == nil {
		l.counts[p.Object] = map[discovery.Problem]int{}
	}
	if l.counts[p.Object][p] += by; l.counts[p.Object][p] == 0 {
		delete(l.counts[p.Object], p)
	}
}

// changed returns the problems of the objects that have others than when it was last called.
func (l *ledger) changed() map[discovery.ObjectID][]discovery.Problem {
	var out map[discovery.ObjectID][]discovery.Problem
	for object := range l.dirty {
		now := l.of(object)
		if slices.Equal(now, l.told[object]) {
			continue
		}
		if out == nil {
			out = map[discovery.ObjectID][]discovery.Problem{}
		}
		out[object], l.told[object] = now, now
		if len(now) == 0 {
			delete(l.told, object)
		}
	}
	clear(l.dirty)
	return out
}

// of returns the problems of an object in order.
func (l *ledger) of(object discovery.ObjectID) []discovery.Problem {
	if len(l.counts[object]) == 0 {
		delete(l.counts, object)
		return nil
	}
	out := make([]discovery.Problem, 0, len(l.counts[object]))
	for p := range l.counts[object] {
		out = append(out, p)
	}
	slices.SortFunc(out, func(x, y discovery.Problem) int {
		return cmp.Or(strings.Compare(x.Field, y.Field), strings.Compare(x.Reason, y.Reason),
			strings.Compare(x.Message, y.Message), strings.Compare(x.Location, y.Location))
	})
	return out
}
