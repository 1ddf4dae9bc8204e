package merge

import (
	"cmp"
	"slices"

	"outrigger.dev/outrigger/discovery"
)

// target is another registry's service that is joined, and which of its ports serve which.
type target struct {
	registered
	value *discovery.Service
	ports []portPair
}

// portPair says that a port of another service serves one of the joining service.
type portPair struct{ theirs, ours uint16 }

// targets returns what a Join leads to, one service of each source, in the order of the sources; nil without a Join.
func (m *Merge) targets(of discovery.Sourced[discovery.Service], join *discovery.Join, from provenance) ([]target, []discovery.Problem) {
	if join == nil {
		return nil, nil
	}
	if _, has := of.Value.Port(join.Port); join.Port != 0 && !has {
		return nil, []discovery.Problem{from.noPort(of.Value.ID, join)}
	}
	found := m.registeredAs(of.Source, join)
	if len(found) == 0 {
		return nil, []discovery.Problem{from.notFound(of.Value.ID, join)}
	}
	var targets []target
	var problems []discovery.Problem
	for _, r := range found {
		if n := len(targets); n > 0 && targets[n-1].source == r.source {
			problems = append(problems, from.ambiguous(join, targets[n-1].service.id, r))
			continue
		}
		value := r.service.values.Get(r.source)
		targets = append(targets, target{registered: r, value: value, ports: pairs(of.Value, value, join.Port)})
	}
	return targets, problems
}

// registeredAs returns the services that a Join of a service of own means, by source, then id.
func (m *Merge) registeredAs(own discovery.SourceID, join *discovery.Join) []registered {
	var found []registered
	for r := range m.named[name{join.Kind, join.Name}] {
		if r.source != own && (join.Source == "" || join.Source == r.source.Name) {
			found = append(found, r)
		}
	}
	slices.SortFunc(found, func(a, b registered) int {
		return cmp.Or(compareSources(a.source, b.source), a.service.id.Compare(b.service.id))
	})
	return found
}

// pairs says which ports of the other service serve which of ours: those of equal numbers, else the first
// serves the first. With only one of ours asked for, its number decides, else their first one.
func pairs(ours, theirs *discovery.Service, only uint16) []portPair {
	if len(ours.Ports) == 0 || len(theirs.Ports) == 0 {
		return nil
	}
	if only != 0 {
		if _, same := theirs.Port(only); same {
			return []portPair{{only, only}}
		}
		return []portPair{{theirs.Ports[0].Port, only}}
	}
	var found []portPair
	for _, p := range ours.Ports {
		if _, same := theirs.Port(p.Port); same {
			found = append(found, portPair{p.Port, p.Port})
		}
	}
	if len(found) == 0 {
		found = []portPair{{theirs.Ports[0].Port, ours.Ports[0].Port}}
	}
	return found
}
