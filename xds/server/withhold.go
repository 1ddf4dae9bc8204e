package server

import "outrigger.dev/outrigger/xds/cache"

// withheldContent is content that references something which the client refused.
type withheldContent struct {
	res   *cache.Resource
	had   had
	round uint64
}

// withhold keeps a pushed resource back while it would name what the client refused.
func (s *session) withhold(t *typeState, e entry) bool {
	if !s.namesParked(e.res, s.round) {
		return false
	}
	if t.withheld == nil {
		t.withheld = map[string]withheldContent{}
	}
	t.withheld[e.name] = withheldContent{res: e.res, had: e.had, round: s.round}
	return true
}

// namesParked reports whether a resource that came with a round references content of an earlier step which
// was refused: in the same round, or in any when the client has no earlier version of it. Of later steps
// nothing can be known before the resource itself is sent.
func (s *session) namesParked(res *cache.Resource, round uint64) bool {
	for _, ref := range res.Refs() {
		if ref.Type > res.Type() {
			continue
		}
		p, ok := s.types[ref.Type].parked[ref.Name]
		if ok && (p.round == round || p.had.version == "") {
			return true
		}
		if ref.Type == cache.Cluster && res.Type() > cache.Endpoints && s.lacksEndpoints(ref.Name) {
			return true
		}
	}
	return false
}

// lacksEndpoints reports whether a cluster is without an assignment because the client refused the first one: nothing may
// lead there that led elsewhere before.
func (s *session) lacksEndpoints(cluster string) bool {
	parked := s.types[cache.Endpoints].parked
	if len(parked) == 0 {
		return false
	}
	res := s.target.Get(cache.Cluster, cluster)
	if res == nil {
		return false
	}
	for _, ref := range res.Refs() {
		if p, ok := parked[ref.Name]; ok && ref.Type == cache.Endpoints && p.had.version == "" {
			return true
		}
	}
	return false
}

// release queues what is withheld no more.
func (s *session) release() {
	for m := s.stirred; m != 0; m &= m - 1 {
		t := &s.types[m.first()]
		if len(t.withheld) == 0 {
			continue
		}
		for _, name := range sortedKeys(t.withheld) {
			w := t.withheld[name]
			if s.namesParked(w.res, w.round) {
				continue
			}
			delete(t.withheld, name)
			t.queue.push(entry{name: name, res: w.res, had: w.had})
		}
	}
}
