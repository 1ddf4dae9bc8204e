package merge

import (
	"time"

	"outrigger.dev/outrigger/discovery"
)

// Merge holds what the sources say, and what it said itself. It has a single writer.
type Merge struct {
	// The records, by key. A record exists as long as something refers to it.
	services  map[discovery.ServiceID]*service
	workloads map[discovery.WorkloadID]*workload
	rules     map[discovery.ServiceID]discovery.JoinRule

	// named finds the services that registries know by a name, wanted those that join such a name.
	named  map[name]map[registered]struct{}
	wanted map[name]map[*service]struct{}
	// homes finds the workloads with an identity at an address, guests the services of other registries with endpoints there.
	// homes is nil while there never was a guest.
	homes  map[place][]*workload
	guests map[place]map[*service]int

	ledger ledger
	dirty  dirty
}

// Changes is what follows from an update.
type Changes struct {
	// Updates are to be applied in their order: values of whatever source, in an update without a Source, because each key has one
	// value now; then what the source says of itself, without values. Either may be missing.
	Updates []discovery.Update
	// Problems holds, for every object whose problems changed, all that this stage finds wrong with it now; none: clean.
	Problems map[discovery.ObjectID][]discovery.Problem
}

// New returns a Merge that knows nothing.
func New() *Merge {
	return &Merge{
		services:  map[discovery.ServiceID]*service{},
		workloads: map[discovery.WorkloadID]*workload{},
		rules:     map[discovery.ServiceID]discovery.JoinRule{},
		named:     map[name]map[registered]struct{}{},
		wanted:    map[name]map[*service]struct{}{},
		guests:    map[place]map[*service]int{},
		ledger:    newLedger(),
		dirty:     newDirty(),
	}
}

// Apply takes in what a source says.
func (m *Merge) Apply(u discovery.Update) Changes {
	for id, value := range u.Workloads {
		m.storeWorkload(u.Source, id, value)
	}
	for id, value := range u.Services {
		m.storeService(u.Source, id, value)
	}
	for id, value := range u.Endpoints {
		m.storeShard(id, value)
	}
	out := newOutput(u.ReadAt)
	m.resolve(out)
	u.Services, u.Endpoints, u.Workloads = nil, nil, nil
	return Changes{Updates: out.updates(u), Problems: m.ledger.changed()}
}

// Rules replaces all rules. Of several for one service, the first counts.
func (m *Merge) Rules(rules []discovery.JoinRule) Changes {
	now := make(map[discovery.ServiceID]discovery.JoinRule, len(rules))
	for _, r := range rules {
		if _, known := now[r.Service]; !known {
			now[r.Service] = r
		}
	}
	for id := range m.rules {
		if _, stays := now[id]; !stays {
			m.dirty.service(m.service(id))
		}
	}
	for id, r := range now {
		if old, known := m.rules[id]; !known || !old.Equal(&r) {
			m.dirty.service(m.service(id))
		}
	}
	m.rules = now
	return m.collect()
}

// Remove forgets all that a source said: it is no longer configured.
func (m *Merge) Remove(source discovery.SourceID) Changes {
	for id, w := range m.workloads {
		if w.values.Get(source) != nil {
			m.storeWorkload(source, id, nil)
		}
	}
	for id, s := range m.services {
		if s.values.Get(source) != nil {
			m.storeService(source, id, nil)
		}
		if s.shards.Get(source) != nil {
			m.storeShard(discovery.ShardID{Service: id, Source: source}, nil)
		}
	}
	return m.collect()
}

// collect returns what follows from something that no source said.
func (m *Merge) collect() Changes {
	out := newOutput(time.Time{})
	m.resolve(out)
	return Changes{Updates: out.updates(), Problems: m.ledger.changed()}
}

// resolve brings all that is dirty up to date.
func (m *Merge) resolve(out *output) {
	for w := range m.dirty.workloads {
		m.resolveWorkload(w, out)
	}
	clear(m.dirty.workloads)
	for s := range m.dirty.services {
		m.resolveService(s, out)
	}
	clear(m.dirty.services)
}

// dirty holds the records to resolve again.
type dirty struct {
	services  map[*service]struct{}
	workloads map[*workload]struct{}
}

func newDirty() dirty {
	return dirty{services: map[*service]struct{}{}, workloads: map[*workload]struct{}{}}
}

func (d *dirty) service(s *service) { d.services[s] = struct{}{} }

func (d *dirty) workload(w *workload) { d.workloads[w] = struct{}{} }
