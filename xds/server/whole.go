package server

import (
	"strings"
	"time"

	"outrigger.dev/outrigger/xds/cache"
)

// subscribeWhole takes a first request that asks by name for all that there is, or nearly, as a proxy with full scope asks
// for its endpoints: what the stream keeps of it is a pointer to what all streams share. It reports whether
// the request is of that kind.
func (s *session) subscribeWhole(t *typeState, r *request, now time.Time) bool {
	base := s.bases[t.typ]
	if t.typ == cache.Secret || len(r.subscribe) < max(s.wholeFrom, base.Len(t.typ)-base.Len(t.typ)/4) {
		return false
	}
	l := base.Listing(t.typ)
	asked, ok := askedOf(l.Names(), r.subscribe)
	if !ok {
		return false
	}
	t.names.adopt(&s.bases[t.typ], l, asked)
	has := compare(l, r.versions)
	if asked.all() && has.nothing() {
		t.askWhole(bulk{whole: l, asked: true})
	} else {
		s.answerDiffering(t, asked, has, now)
	}
	for _, name := range asked.others {
		s.answerFirst(t, entry{name: name, had: had{version: has.version(name)}, asked: true}, now)
	}
	return true
}

// askWhole queues the answer to a request for everything.
func (t *typeState) askWhole(all bulk) {
	if t.awaited.len() > 0 {
		t.urgent.whole = all
		return
	}
	t.queue.whole, t.asked = all, true
}

// asked are names that a client asks for, beside a set of which they hold all or nearly all.
type asked struct {
	members bitset // by position in the set
	missing int    // how many of the set are not asked for
	others  []string
}

func (a asked) all() bool { return a.missing == 0 }

// askedOf compares names with a set; ok is false when they do not hold nearly all of it, or much more, or the wildcard.
func askedOf(set *cache.Names, names []string) (a asked, ok bool) {
	a = asked{members: newBitset(set.Len()), missing: set.Len()}
	var twice map[string]struct{}
	for _, name := range names {
		if i, in := set.Position(name); in {
			if !a.members.has(i) {
				a.members.set(i)
				a.missing--
			}
			continue
		}
		if _, again := twice[name]; again {
			continue
		}
		if name == wildcard || len(a.others) >= set.Len()/4 {
			return a, false
		}
		if twice == nil {
			twice = map[string]struct{}{}
		}
		name = strings.Clone(name)
		twice[name] = struct{}{}
		a.others = append(a.others, name)
	}
	return a, a.missing+len(a.others) <= set.Len()/4
}

// answerDiffering answers the names of a listing that are asked for and of which the client does not have the version.
func (s *session) answerDiffering(t *typeState, asked asked, has possessions, now time.Time) {
	for i, res := range has.listing.Resources() {
		same := has.same.has(i)
		if !asked.members.has(i) || same && t.awaited.len() == 0 {
			continue
		}
		e := entry{name: res.Name(), res: res, had: had{version: has.other[res.Name()]}, asked: true}
		if same {
			e.had.version = res.Version()
		}
		s.answerFirst(t, e, now)
	}
}
