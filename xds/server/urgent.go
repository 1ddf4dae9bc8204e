package server

import "outrigger.dev/outrigger/xds/cache"

// Envoy acknowledges clusters once they are warm, which they are not before it has their assignments and secrets
// (cluster_manager_impl.cc pauses CDS while clusters warm). So these go at once, although the clusters are not
// acknowledged: for a new cluster as the answer to its request, for a changed one, for which Envoy sends no request,
// right behind it.

// hurries reports whether an answer is needed before something that was sent is acknowledged.
func (t *typeState) hurries(e entry) bool {
	return e.asked && (t.typ == cache.Endpoints || t.typ == cache.Secret) && t.awaited.has(e.name)
}

// hurry queues an answer in front of all else.
func (t *typeState) hurry(e entry) {
	if waiting, queued := t.queue.get(e.name); queued {
		e.had, e.fresh = waiting.had, e.fresh || waiting.fresh
		t.queue.drop(e.name)
	}
	t.urgent.push(e)
}

// followAll queues the assignments of clusters that are being sent, where the client has asked for them before.
func (s *session) followAll(clusters []entry) {
	t := s.stir(cache.Endpoints)
	passed := map[string]bool{}
	for i := range clusters {
		if clusters[i].res == nil {
			continue
		}
		for _, ref := range clusters[i].res.Refs() {
			if ref.Type == cache.Endpoints && t.visible(ref.Name) && !t.urgent.has(ref.Name) {
				s.follow(t, ref.Name, passed)
			}
		}
	}
	t.batches.drop(func(e entry) bool { return passed[e.name] })
}

// follow queues an assignment again. What is sent is what the client has: new endpoints wait until the cluster, which may
// have to know their identities, is acknowledged. What waits to be sent by itself, and comes now, is noted as passed.
func (s *session) follow(t *typeState, name string, passed map[string]bool) {
	res := s.get(t, name)
	e := entry{name: name, res: res, had: t.has(name, res), asked: true}
	if again := t.batches.get(name); again != nil {
		if again.had.res == nil {
			return // It comes by itself.
		}
		e.res, e.had = again.had.res, again.had
		if again.version() == e.version() {
			passed[name] = true // It comes now, and not a second time.
		}
	} else if waiting, queued := t.queue.get(name); queued {
		if waiting.had.res == nil || waiting.version() == waiting.had.version {
			t.hurry(waiting) // What it has is not known here, or is what it gets.
			return
		}
		e.res, e.had = waiting.had.res, waiting.had
	} else if rm, ok := s.removals.get(cache.Ref{Type: t.typ, Name: name}); ok && rm.had.res != nil {
		e.res, e.had = rm.had.res, rm.had
	}
	if e.res != nil || s.synced {
		t.urgent.push(e)
	}
}

// presses reports whether something of the type is to go although a step before it is incomplete: an urgent answer, or
// what was sent before, refused, and is sent again by halves. A cluster may be warming for it.
func (t *typeState) presses() bool {
	return !t.urgent.empty() || t.batches.pressing > 0 && (t.typ == cache.Endpoints || t.typ == cache.Secret)
}
