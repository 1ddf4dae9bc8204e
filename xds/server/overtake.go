package server

import "outrigger.dev/outrigger/xds/cache"

// Clusters are acknowledged once they are warm, and one whose name is not resolved is not for as long as a name server is
// silent. Endpoints of other clusters that drain or go meanwhile cannot wait for it: an assignment whose cluster the client has, and
// which stays as it is, goes at once.

// stands reports whether the client has the cluster of an assignment as it is in the newest snapshot.
func (s *session) stands(name string) bool {
	clusters := &s.types[cache.Cluster]
	if !s.requested.has(cache.Cluster) || clusters.pending(name) {
		return false
	}
	has, latest := s.bases[cache.Cluster].Get(cache.Cluster, name), s.latest.Get(cache.Cluster, name)
	if has == nil || latest == nil || has.Version() != latest.Version() {
		return false
	}
	_, parked := clusters.parked[name]
	_, withheld := clusters.withheld[name]
	return !parked && !withheld
}

// overtake sends assignments that changed since a snapshot ahead of clusters that are not acknowledged. At other times they wait for
// the next round, which is near: a round that always had something new to send would never end.
func (s *session) overtake(since *cache.Snapshot) {
	if !s.stirred.has(cache.Cluster) || !s.requested.has(cache.Endpoints) || s.draining {
		return
	}
	t := &s.types[cache.Endpoints]
	if !s.types[cache.Cluster].flight.flies() || t.wildcard {
		return
	}
	for _, changed := range s.latest.Since(since, cache.Endpoints) {
		if changed.Older != nil && changed.Newer != nil && s.mayOvertake(t, changed.Newer) {
			s.pass(t, changed.Newer)
		}
	}
}

// mayOvertake reports whether nothing else is under way with the name of an assignment.
func (s *session) mayOvertake(t *typeState, newer *cache.Resource) bool {
	name := newer.Name()
	if !t.names.has(name) || s.get(t, name) == nil || !s.stands(name) || t.refused.holds(name, newer.Version()) {
		return false
	}
	_, parked := t.parked[name]
	_, withheld := t.withheld[name]
	_, going := s.removals.get(cache.Ref{Type: t.typ, Name: name})
	return !parked && !withheld && !going && !t.awaited.has(name) && !t.queue.has(name) && t.batches.get(name) == nil
}

// pass queues an assignment in front of all else.
func (s *session) pass(t *typeState, newer *cache.Resource) {
	name := newer.Name()
	gets := s.get(t, name)
	waiting, queued := t.urgent.get(name)
	switch {
	case queued && waiting.had.version == newer.Version() && !waiting.asked:
		t.urgent.drop(name)
	case queued || gets.Version() != newer.Version():
		s.stir(t.typ)
		t.urgent.push(entry{name: name, res: newer, had: hadOf(gets)})
	}
	if s.ahead == nil {
		s.ahead = map[string]*cache.Resource{}
	}
	s.ahead[name] = newer
}

// get returns what the client has of a name once queue and flight are done.
func (s *session) get(t *typeState, name string) *cache.Resource {
	if t.typ == cache.Endpoints {
		if res, ahead := s.ahead[name]; ahead {
			return res
		}
	}
	return s.bases[t.typ].Get(t.typ, name)
}

// catchUp queues what differs between what overtook the last round and the target, and returns it.
func (s *session) catchUp(t *typeState) (ahead map[string]*cache.Resource) {
	ahead, s.ahead = s.ahead, nil
	for _, name := range sortedKeys(ahead) {
		s.changed(t, ahead[name], s.target.Get(t.typ, name))
	}
	return ahead
}
