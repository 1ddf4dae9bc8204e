package server

import (
	"maps"
	"slices"
	"time"

	"outrigger.dev/outrigger/xds/cache"
)

// removals are the names that the client still has and that are to go, last of all.
type removals struct {
	byRef map[cache.Ref]*removal
	// next is when the first of those that wait for a time may go; zero when none does.
	next time.Time
	// bytes is the length of the names and versions that only the client told of.
	bytes int
}

// removal is one name that is to go.
type removal struct {
	had had
	// freed is when the client acknowledged that the last resource which named this one changed or went;
	// until such an acknowledgement is seen, the end of the round that removed it.
	freed time.Time
}

func (r *removals) any() bool { return len(r.byRef) > 0 }

func (r *removals) add(ref cache.Ref, h had) {
	if r.byRef == nil {
		r.byRef = map[cache.Ref]*removal{}
	}
	r.drop(ref)
	rm := &removal{had: h}
	r.byRef[ref] = rm
	r.bytes += rm.size(ref)
}

func (r *removals) drop(ref cache.Ref) {
	if rm, ok := r.byRef[ref]; ok {
		r.bytes -= rm.size(ref)
		delete(r.byRef, ref)
	}
}

// size is what the server holds of a name that nobody but the client knows.
func (rm *removal) size(ref cache.Ref) int {
	if rm.had.res != nil {
		return 0
	}
	return len(ref.Name) + len(rm.had.version)
}

func (r *removals) get(ref cache.Ref) (*removal, bool) {
	rm, ok := r.byRef[ref]
	return rm, ok
}

// cancel takes a name off the queue and returns what was there.
func (r *removals) cancel(ref cache.Ref) (*removal, bool) {
	rm, ok := r.byRef[ref]
	r.drop(ref)
	return rm, ok
}

// names returns the names of one type, in order.
func (r *removals) names(t cache.Type) []string {
	var names []string
	for ref := range r.byRef {
		if ref.Type == t {
			names = append(names, ref.Name)
		}
	}
	slices.Sort(names)
	return names
}

// acknowledged notes that the client took an entry: what the old content named is freed, and a removal is over.
func (r *removals) acknowledged(ref cache.Ref, e *entry, now time.Time) {
	switch {
	case e.had.res != nil:
		for _, named := range e.had.res.Refs() {
			if rm, ok := r.byRef[named]; ok {
				rm.freed = now
			}
		}
	case e.had.version != "" && ref.Type > cache.Secret:
		// It came on an earlier stream: what it named is not known, so it may have been any.
		for _, rm := range r.byRef {
			rm.freed = now
		}
	}
	if e.res == nil {
		r.drop(ref)
	}
}

// queueRemovals queues what may go now, when all else of the round is complete, and reports whether anything may.
func (s *session) queueRemovals(now time.Time) bool {
	s.removals.next = time.Time{}
	if !s.removals.any() || !s.synced {
		return false
	}
	keep := s.stillNeeded()
	queued := false
	for _, ref := range s.removals.inOrder() {
		rm := s.removals.byRef[ref]
		if rm.freed.IsZero() {
			rm.freed = now
		}
		if keep.holds(ref, rm) {
			continue
		}
		if due := rm.freed.Add(s.lingers(ref.Type)); now.Before(due) {
			earliest(&s.removals.next, due)
			continue
		}
		s.stir(ref.Type).queue.push(entry{name: ref.Name, had: rm.had})
		queued = true
	}
	return queued
}

// lingers returns how long after it was freed a resource stays. Listeners that changed or went still drain,
// with their old routes, to their old clusters.
func (s *session) lingers(t cache.Type) time.Duration {
	if t == cache.Cluster || t == cache.Route {
		return s.timing.Drain + drainMargin
	}
	return 0
}

// inOrder returns the names with the last step first, so that what names goes before what is named.
func (r *removals) inOrder() []cache.Ref {
	return slices.SortedFunc(maps.Keys(r.byRef), func(a, b cache.Ref) int {
		if a.Type != b.Type {
			return int(b.Type) - int(a.Type)
		}
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
}

// needed says what may not be removed yet.
type needed struct {
	// refs are named by what the client has although the target does not hold it any more.
	refs map[cache.Ref]struct{}
	// groups have content that the client refused: what it was to replace stays.
	groups map[string]struct{}
	// listeners and routes say that the client has some from an earlier stream that are to go: what they name
	// is not known.
	listeners, routes bool
}

func (s *session) stillNeeded() needed {
	n := needed{refs: map[cache.Ref]struct{}{}, groups: map[string]struct{}{}}
	for ref, rm := range s.removals.byRef {
		n.add(rm.had.res)
		if rm.had.res == nil {
			n.listeners = n.listeners || ref.Type == cache.Listener
			n.routes = n.routes || ref.Type == cache.Route
		}
	}
	for i := range s.types {
		for _, p := range s.types[i].parked {
			n.add(p.had.res)
			n.groups[p.res.Group()] = struct{}{}
		}
		for _, w := range s.types[i].withheld {
			n.add(w.had.res)
			n.groups[w.res.Group()] = struct{}{}
		}
	}
	return n
}

func (n needed) add(res *cache.Resource) {
	if res == nil {
		return
	}
	for _, ref := range res.Refs() {
		n.refs[ref] = struct{}{}
	}
}

func (n needed) holds(ref cache.Ref, rm *removal) bool {
	if _, named := n.refs[ref]; named {
		return true
	}
	if n.listeners && (ref.Type == cache.Route || ref.Type == cache.Cluster) || n.routes && ref.Type == cache.Cluster {
		return true
	}
	if rm.had.res == nil {
		return false
	}
	_, replaced := n.groups[rm.had.res.Group()]
	return replaced
}

// sortedKeys returns a map's keys in order: the order of a map never reaches the wire.
func sortedKeys[V any](m map[string]V) []string {
	if len(m) == 0 {
		return nil // Usually so, and then the rest costs too much.
	}
	return slices.Sorted(maps.Keys(m))
}
