package server

import (
	"slices"
	"time"

	"outrigger.dev/outrigger/xds/cache"
)

// warmLimit is how long Envoy waits for the assignment of a cluster (initial_fetch_timeout).
const warmLimit = 15 * time.Second

// warmed is an assignment that a cluster waits for.
type warmed struct {
	since time.Time
	seq   int // of the response with the cluster: only a later one warms it
}

// unanswered are the types whose response the client may take now: any, or, where what comes behind a cluster counts, the one
// that came first.
func (w *world) unanswered() []*clientType {
	var waiting []*clientType
	for _, typ := range served {
		if c := w.types[typ]; c.inbox != nil && !c.applied {
			waiting = append(waiting, c)
		}
	}
	if w.slow && len(waiting) > 0 {
		first := slices.MinFunc(waiting, func(a, b *clientType) int { return a.inboxSeq - b.inboxSeq })
		return []*clientType{first}
	}
	return waiting
}

// withholds begins the warming of clusters that were applied, and reports whether their acknowledgement waits for
// it. Envoy asks for the assignments of those clusters only that it did not have, and says nothing of its clusters while any is warming.
func (w *world) withholds(c *clientType, r *response) bool {
	if !w.slow || c.typ != cache.Cluster {
		return false
	}
	for _, e := range r.members.list() {
		if e.res == nil {
			continue
		}
		for _, ref := range e.res.Refs() {
			if ref.Type == cache.Endpoints {
				w.warming[ref.Name] = warmed{since: w.now, seq: c.inboxSeq}
			}
		}
	}
	return len(w.warming) > 0
}

// warm ends the waiting for what a response of assignments holds, refused or not, removed or not.
func (w *world) warm(c *clientType, r *response, seq int) {
	if c.typ != cache.Endpoints {
		return
	}
	for _, e := range r.members.list() {
		if waits, ok := w.warming[e.name]; ok && waits.seq < seq {
			delete(w.warming, e.name)
		}
	}
	w.acknowledge()
}

// acknowledge says what was held back, once nothing warms any more.
func (w *world) acknowledge() {
	c := w.types[cache.Cluster]
	if !c.applied || len(w.warming) > 0 {
		return
	}
	c.inbox, c.applied = nil, false
	w.request(&request{typ: c.typ, known: true, nonce: w.session.types[c.typ].flight.nonce})
}

// warmDue is when the client has waited for an assignment for too long; zero if it waits for none.
func (w *world) warmDue() time.Time {
	var due time.Time
	for _, waits := range w.warming {
		earliest(&due, waits.since.Add(warmLimit))
	}
	return due
}

// giveUp ends the warming of clusters that have waited for too long. That must not happen where there is something to send
// that the client has asked for and not refused.
func (w *world) giveUp() {
	endpoints, state := w.types[cache.Endpoints], &w.session.types[cache.Endpoints]
	for _, name := range sortedKeys(w.warming) {
		waits := w.warming[name]
		if w.now.Sub(waits.since) < warmLimit {
			continue
		}
		_, parked := state.parked[name]
		if endpoints.inbox == nil && endpoints.names[name] && !parked && w.session.target.Get(cache.Endpoints, name) != nil {
			w.rt.Fatalf("cluster %s has warmed for %s in vain", name, w.now.Sub(waits.since))
		}
		delete(w.warming, name)
	}
	w.acknowledge()
}
