package merge

import (
	"cmp"
	"slices"

	"outrigger.dev/outrigger/discovery"
)

// service is what is kept of one service.
type service struct {
	id     discovery.ServiceID
	values discovery.BySource[discovery.Service]
	shards discovery.BySource[discovery.EndpointSet]
	// wants is the name that it joins now; the zero value is none.
	wants name

	// What was said of it: the value, and the shards by source.
	value    *discovery.Service
	said     map[discovery.SourceID]*discovery.EndpointSet
	problems []discovery.Problem
}

// name is what registries of a kind call a service.
type name struct{ kind, name string }

// registered is a service as one source has it.
type registered struct {
	service *service
	source  discovery.SourceID
}

func (m *Merge) service(id discovery.ServiceID) *service {
	s := m.services[id]
	if s == nil {
		s = &service{id: id}
		m.services[id] = s
	}
	return s
}

// dropService forgets a service that nothing refers to any more.
func (m *Merge) dropService(s *service) {
	if _, ruled := m.rules[s.id]; !ruled && len(s.values) == 0 && len(s.shards) == 0 {
		delete(m.services, s.id)
	}
}

// touch marks a service and those that join it.
func (m *Merge) touch(s *service) {
	m.dirty.service(s)
	for _, v := range s.values {
		for joining := range m.wanted[nameOf(v.Source, v.Value)] {
			m.dirty.service(joining)
		}
	}
}

func (m *Merge) storeService(source discovery.SourceID, id discovery.ServiceID, value *discovery.Service) {
	s := m.service(id)
	m.touch(s)
	if old := s.values.Get(source); old != nil {
		key := nameOf(source, old)
		delete(m.named[key], registered{s, source})
		if len(m.named[key]) == 0 {
			delete(m.named, key)
		}
	}
	s.values.Put(source, value, compareSources)
	if value != nil {
		key := nameOf(source, value)
		if m.named[key] == nil {
			m.named[key] = map[registered]struct{}{}
		}
		m.named[key][registered{s, source}] = struct{}{}
	}
	m.touch(s)
}

// nameOf returns what the registry calls a service.
func nameOf(source discovery.SourceID, value *discovery.Service) name {
	return name{source.Kind, registeredName(value)}
}

func registeredName(value *discovery.Service) string { return cmp.Or(value.Registered, value.ID.Name) }

func (m *Merge) storeShard(id discovery.ShardID, value *discovery.EndpointSet) {
	s := m.service(id.Service)
	old := s.shards.Get(id.Source)
	if old == value {
		m.dirty.service(s) // It may have been made for this.
		return
	}
	if !identifies(id.Source) {
		if m.homes == nil {
			m.openHomes()
		}
		m.lodge(s, old, -1)
		m.lodge(s, value, 1)
	}
	s.shards.Put(id.Source, value, compareSources)
	m.touch(s)
}

// lodge keeps the index of the addresses where a service has endpoints that may be another registry's workloads.
func (m *Merge) lodge(s *service, set *discovery.EndpointSet, by int) {
	for p := range endpointsOf(set) {
		at := place{p.Network, p.Address.Addr()}
		if m.guests[at] == nil {
			m.guests[at] = map[*service]int{}
		}
		if m.guests[at][s] += by; m.guests[at][s] == 0 {
			delete(m.guests[at], s)
		}
		if len(m.guests[at]) == 0 {
			delete(m.guests, at)
		}
	}
}

// resolveService says what a service comes to, where that differs from what was said.
func (m *Merge) resolveService(s *service, out *output) {
	r := m.outcome(s)
	m.want(s, r.join)
	m.ledger.replace(s, r.problems)
	if !r.value.Equal(s.value) || r.value != nil && r.value.Origin != s.value.Origin {
		out.values.Services[s.id] = r.value
	}
	for source, set := range r.shards {
		if old := s.said[source]; set != old && !set.Equal(old) {
			out.values.Endpoints[discovery.ShardID{Service: s.id, Source: source}] = set
		}
	}
	for source := range s.said {
		if r.shards[source] == nil {
			out.values.Endpoints[discovery.ShardID{Service: s.id, Source: source}] = nil
		}
	}
	s.value, s.said = r.value, r.shards
	m.dropService(s)
}

// want keeps the index of the names that are joined.
func (m *Merge) want(s *service, join *discovery.Join) {
	var now name
	if join != nil {
		now = name{join.Kind, join.Name}
	}
	if now == s.wants {
		return
	}
	delete(m.wanted[s.wants], s)
	if len(m.wanted[s.wants]) == 0 {
		delete(m.wanted, s.wants)
	}
	if s.wants = now; join != nil {
		if m.wanted[now] == nil {
			m.wanted[now] = map[*service]struct{}{}
		}
		m.wanted[now][s] = struct{}{}
	}
}

// outcome is what a service comes to.
type outcome struct {
	value    *discovery.Service
	join     *discovery.Join
	shards   map[discovery.SourceID]*discovery.EndpointSet
	problems []discovery.Problem
}

func (m *Merge) outcome(s *service) outcome {
	rule, ruled := m.rules[s.id]
	if len(s.values) == 0 {
		if !ruled {
			return outcome{}
		}
		return outcome{problems: []discovery.Problem{unknownService(&rule)}}
	}
	first := s.values[0]
	r := outcome{value: first.Value, join: first.Value.Join, shards: map[discovery.SourceID]*discovery.EndpointSet{}}
	from := saidBy(first.Value)
	switch {
	case ruled && r.join == nil:
		join := rule.Join
		r.join, from = &join, ruledBy(&rule)
		r.value = withJoin(first.Value, r.join)
	case ruled:
		r.problems = append(r.problems, overruled(&rule))
	}
	targets, problems := m.targets(first, r.join, from)
	r.problems = append(r.problems, problems...)
	r.problems = append(r.problems, s.leftOut(targets)...)
	m.compose(s, first.Source, &r, targets)
	return r
}

// withJoin returns the value with a Join that it does not say itself.
func withJoin(value *discovery.Service, join *discovery.Join) *discovery.Service {
	joined := *value
	joined.Join = join
	return &joined
}

// leftOut says which sources have the name of the service and do not count, but for those that it joins.
func (s *service) leftOut(targets []target) []discovery.Problem {
	var problems []discovery.Problem
	for _, other := range s.values[1:] {
		if !slices.ContainsFunc(targets, func(t target) bool { return t.service == s && t.source == other.Source }) {
			problems = append(problems, sameName(s.values[0], other))
		}
	}
	return problems
}
