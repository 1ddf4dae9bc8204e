package merge

import (
	"cmp"
	"slices"
	"strings"

	"outrigger.dev/outrigger/discovery"
)

// ledger knows which problems the services found, by object.
type ledger struct {
	found map[discovery.ObjectID]map[discovery.ServiceID][]discovery.Problem
	told  map[discovery.ObjectID][]discovery.Problem
	dirty map[discovery.ObjectID]struct{}
}

func newLedger() ledger {
	return ledger{
		found: map[discovery.ObjectID]map[discovery.ServiceID][]discovery.Problem{},
		told:  map[discovery.ObjectID][]discovery.Problem{},
		dirty: map[discovery.ObjectID]struct{}{},
	}
}

// replace puts the problems that a service finds in place of those that it found.
func (l *ledger) replace(s *service, now []discovery.Problem) {
	if slices.Equal(s.problems, now) {
		return
	}
	for _, p := range s.problems {
		l.dirty[p.Object] = struct{}{}
		delete(l.found[p.Object], s.id)
		if len(l.found[p.Object]) == 0 {
			delete(l.found, p.Object)
		}
	}
	for _, p := range now {
		l.dirty[p.Object] = struct{}{}
		if l.found[p.Object] == nil {
			l.found[p.Object] = map[discovery.ServiceID][]discovery.Problem{}
		}
		l.found[p.Object][s.id] = append(l.found[p.Object][s.id], p)
	}
	s.problems = now
}

// changed returns the problems of the objects that have others than when it was last called.
func (l *ledger) changed() map[discovery.ObjectID][]discovery.Problem {
	out := map[discovery.ObjectID][]discovery.Problem{}
	for object := range l.dirty {
		var now []discovery.Problem
		for _, list := range l.found[object] {
			now = append(now, list...)
		}
		slices.SortFunc(now, func(x, y discovery.Problem) int {
			return cmp.Or(strings.Compare(x.Field, y.Field), strings.Compare(x.Reason, y.Reason),
				strings.Compare(x.Message, y.Message), strings.Compare(x.Location, y.Location))
		})
		if slices.Equal(now, l.told[object]) {
			continue
		}
		out[object], l.told[object] = now, now
		if len(now) == 0 {
			delete(l.told, object)
		}
	}
	clear(l.dirty)
	return out
}
