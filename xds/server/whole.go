package server

import (
	"strings"
	"time"

	"outrigger.dev/outrigger/xds/cache"
)

// subscribeWhole takes a first request that asks by name for all that there is, as a proxy with full scope asks
// for its endpoints: what the stream keeps of it is a pointer to what all streams share. It reports whether
// the request is of that kind.
func (s *session) subscribeWhole(t *typeState, r *request, now time.Time) bool {
	if t.typ == cache.Secret || len(r.subscribe) < max(s.wholeFrom, t.base.Len(t.typ)) {
		return false
	}
	l := t.base.Listing(t.typ)
	others, ok := beyond(l.Names(), r.subscribe)
	if !ok {
		return false
	}
	t.names.adopt(t.base, l.Names(), others)
	has := compare(l, r.versions)
	if has.nothing() {
		t.askWhole(members{whole: l, asked: true})
	} else {
		s.answerDiffering(t, l, has, now)
	}
	for _, name := range others {
		s.answerFirst(t, entry{name: name, had: had{version: has.other[name]}, asked: true}, now)
	}
	return true
}

// askWhole queues the answer to a request for everything.
func (t *typeState) askWhole(m members) {
	if t.awaited.len() > 0 {
		t.urgent.whole = m
		return
	}
	t.queue.whole, t.asked = m, true
}

// beyond returns which of the names are not in a set; ok is false when they do not
// hold the whole set, or much more, or the wildcard.
func beyond(set *cache.Names, names []string) (others []string, ok bool) {
	seen, members := newBitset(set.Len()), 0
	var twice map[string]struct{}
	for _, name := range names {
		if i, in := set.Position(name); in {
			if !seen.has(i) {
				seen.set(i)
				members++
			}
			continue
		}
		if _, again := twice[name]; again {
			continue
		}
		if name == wildcard || len(others) >= set.Len()/4 {
			return nil, false
		}
		if twice == nil {
			twice = map[string]struct{}{}
		}
		name = strings.Clone(name)
		twice[name] = struct{}{}
		others = append(others, name)
	}
	return others, members == set.Len()
}

// possessions are what a client has of a listing.
type possessions struct {
	same bitset // by position: it has the version that is listed
	some int    // how many are the same
	// other are the versions of all other names.
	other map[string]string
}

func (p possessions) nothing() bool { return p.some == 0 && len(p.other) == 0 }

// compare tells what a client that says its versions has of a listing.
func compare(l *cache.Listing, versions []held) possessions {
	var p possessions
	if len(versions) == 0 {
		return p
	}
	p.same = newBitset(l.Names().Len())
	for _, h := range versions {
		i, listed := l.Names().Position(h.name)
		if listed && p.same.has(i) {
			p.same.clear(i)
			p.some--
		}
		if listed && l.Resources()[i].Version() == h.version {
			p.same.set(i)
			p.some++
			continue
		}
		if p.other == nil {
			p.other = map[string]string{}
		}
		p.other[h.name] = h.version
	}
	return p
}

// answerDiffering answers the names of a listing of which the client does not have the version.
func (s *session) answerDiffering(t *typeState, l *cache.Listing, has possessions, now time.Time) {
	for i, res := range l.Resources() {
		e := entry{name: res.Name(), res: res, had: had{version: has.other[res.Name()]}, asked: true}
		if has.same.has(i) {
			e.had.version = res.Version()
		}
		s.answerFirst(t, e, now)
	}
}
