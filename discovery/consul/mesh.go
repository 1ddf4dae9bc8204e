package consul

import (
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/discovery/internal/table"
)

// mesh is what all answers say together, and what of it was sent. It is pure; the goroutine of run owns it. After any
// number of changes, settle must be called before pending says the truth.
type mesh struct {
	source    discovery.SourceID
	namespace string
	linger    time.Duration
	services  map[name]*serviceState
	// ids are those of the services, and owners the way back.
	owners map[discovery.ServiceID]name
	// homes say whose instance a workload is: an instance may move from one service to another.
	homes   map[discovery.WorkloadID]name
	damper  *damper
	dirty   map[name]bool
	renamed bool
	// listed says that the catalog was read, and unread is how many services were not yet.
	listed bool
	unread int

	models    *table.Table[discovery.ServiceID, *discovery.Service]
	endpoints *table.Table[discovery.ShardID, *discovery.EndpointSet]
	workloads *table.Table[discovery.WorkloadID, *discovery.Workload]
	problems  *table.Table[discovery.ObjectID, []discovery.Problem]
}

// serviceState is what is known of one name.
type serviceState struct {
	id        discovery.ServiceID
	instances instances
	// read says that it was read at least once, wanted that the catalog lists it.
	read, wanted bool
	// goneSince is when the catalog first did not list it.
	goneSince time.Time
	// known says that it had an instance that is a program's own, and so is a service of the mesh.
	// Who confirms looks at it from other goroutines.
	known atomic.Bool
	clash []discovery.Problem
}

func newMesh(config *Config) *mesh {
	return &mesh{
		source: config.id(), namespace: config.MeshNamespace, linger: config.Linger,
		services: make(map[name]*serviceState), owners: make(map[discovery.ServiceID]name),
		homes: make(map[discovery.WorkloadID]name), damper: newDamper(), dirty: make(map[name]bool),
		models:    table.New[discovery.ServiceID]((*discovery.Service).Equal),
		endpoints: table.New[discovery.ShardID]((*discovery.EndpointSet).Equal),
		workloads: table.New[discovery.WorkloadID]((*discovery.Workload).Equal),
		problems:  table.New[discovery.ObjectID](slices.Equal[[]discovery.Problem]),
	}
}

// list takes the names of the catalog and returns those that are to be watched from now on, sorted, and those that are not. What a
// partial list lacks stays.
func (m *mesh) list(names []name, partial bool, now time.Time) (added, dropped []name) {
	m.listed = true
	present := make(map[name]bool, len(names))
	for _, n := range names {
		present[n] = true
		s := m.services[n]
		if s == nil {
			s = &serviceState{}
			m.services[n] = s
			m.renamed = true
			m.unread++
		}
		if !s.wanted {
			added = append(added, n)
		}
		s.wanted, s.goneSince = true, time.Time{}
	}
	for n, s := range m.services {
		if s.wanted && !present[n] && !partial {
			dropped = append(dropped, n)
			s.wanted, s.goneSince = false, now
			m.put(n, nil, false, now)
		}
	}
	slices.SortFunc(added, name.compare)
	slices.SortFunc(dropped, name.compare)
	return added, dropped
}

// confirm says that the catalog was read again and is as it was: what it has lacked for long enough is gone. Until then the
// service stays without endpoints, so that a service whose instances are all replaced is never unknown to its clients.
func (m *mesh) confirm(now time.Time) {
	for n, s := range m.services {
		if s.wanted || now.Sub(s.goneSince) < m.linger {
			continue
		}
		m.disown(n, s)
		m.problems.Remove(objectOf(m.namespace, n))
		delete(m.services, n)
		delete(m.dirty, n)
		m.renamed = true
	}
}

// put takes the instances of a service. What a partial list lacks stays. It is nothing when the service is not watched any more.
func (m *mesh) put(n name, next instances, partial bool, now time.Time) {
	s := m.services[n]
	if s == nil || (!s.wanted && len(next) > 0) {
		return
	}
	if partial {
		next = union(s.instances, next)
	}
	diffInstances(s.instances, next, func(was, is *instance, _ int) {
		switch {
		case was == is:
			return
		case is == nil:
			m.withdraw(n, was)
		case was != nil && was.health != is.health:
			m.damper.change(flapKey{n, is.key}, was.health, is.health, now)
		}
		m.dirty[n] = true
	})
	if !s.read {
		m.unread--
	}
	s.instances, s.read = next, true
	if len(next) > 0 {
		s.known.Store(true)
	}
}

// union adds what next lacks from before.
func union(before, next instances) instances {
	all := make(instances, 0, max(len(before), len(next)))
	diffInstances(before, next, func(was, is *instance, _ int) {
		if is == nil {
			is = was
		}
		all = append(all, is)
	})
	return all
}

// withdraw drops an instance that is gone.
func (m *mesh) withdraw(n name, i *instance) {
	m.damper.forget(flapKey{n, i.key})
	if i.workload != nil && m.homes[i.workload.ID] == n {
		delete(m.homes, i.workload.ID)
		m.workloads.Remove(i.workload.ID)
	}
}

// complete reports whether everything that the catalog lists was read.
func (m *mesh) complete() bool { return m.listed && m.unread == 0 }

// settle builds anew what changed. It returns when to do so again though nothing changes; zero: never.
func (m *mesh) settle(now time.Time) time.Time {
	if m.renamed {
		m.rename()
	}
	released, next := m.damper.settle(now)
	for _, key := range released {
		m.dirty[key.name] = true
	}
	for n := range m.dirty {
		if s := m.services[n]; s != nil {
			m.build(n, s)
		}
	}
	clear(m.dirty)
	return next
}

// rename gives the names their ids anew.
func (m *mesh) rename() {
	m.renamed = false
	labels, clashes := assign(slices.Collect(maps.Keys(m.services)))
	lost := make(map[name][]discovery.Problem)
	for _, c := range clashes {
		lost[c.loser] = append(lost[c.loser], discovery.Problem{
			Object: objectOf(m.namespace, c.loser), Reason: problemNameClash, Warning: true,
			Message: "it would have the name of " + c.winner.String() + " in the mesh, and is " + labels[c.loser] + " there: rename one of them",
		})
	}
	changed := make(map[name]discovery.ServiceID)
	for n, s := range m.services {
		if id := (discovery.ServiceID{Namespace: m.namespace, Name: labels[n]}); id != s.id {
			m.disown(n, s)
			changed[n] = id
		}
		if !slices.Equal(s.clash, lost[n]) {
			s.clash = lost[n]
			m.dirty[n] = true
		}
	}
	for n, id := range changed {
		m.services[n].id = id
		m.owners[id] = n
		m.dirty[n] = true
	}
}

// disown takes the id from a name.
func (m *mesh) disown(n name, s *serviceState) {
	if m.owners[s.id] == n {
		delete(m.owners, s.id)
		m.models.Remove(s.id)
		m.endpoints.Remove(m.shard(s))
	}
}

func (m *mesh) shard(s *serviceState) discovery.ShardID {
	return discovery.ShardID{Service: s.id, Source: m.source}
}

// build resolves one service. One without instances keeps its ports and addresses.
func (m *mesh) build(n name, s *serviceState) {
	if !s.known.Load() {
		return
	}
	if len(s.instances) == 0 {
		m.endpoints.Put(m.shard(s), &discovery.EndpointSet{ID: m.shard(s)})
		m.tell(n, s.clash)
		return
	}
	views := make([]view, len(s.instances))
	for i, each := range s.instances {
		views[i] = view{instance: each, shown: m.damper.shown(flapKey{n, each.key}, each.health)}
		m.place(n, views[i])
	}
	r := resolve(n, m.shard(s), views)
	m.models.Put(s.id, r.service)
	m.endpoints.Put(m.shard(s), r.set)
	m.tell(n, append(slices.Clip(s.clash), r.problems...))
}

// place puts the workload of an instance, with the health that it is shown with.
func (m *mesh) place(n name, v view) {
	w := v.workload
	if w == nil {
		return
	}
	m.homes[w.ID] = n
	if w.Health != v.shown {
		w = new(*v.workload)
		w.Health = v.shown
	}
	if m.workloads.Get(w.ID) != w {
		m.workloads.Put(w.ID, w)
	}
}

// tell sets what is wrong with a service.
func (m *mesh) tell(n name, problems []discovery.Problem) {
	if id := objectOf(m.namespace, n); len(problems) > 0 {
		m.problems.Put(id, problems)
	} else {
		m.problems.Remove(id)
	}
}

// pending returns everything that differs from what was sent.
func (m *mesh) pending() discovery.Update {
	return discovery.Update{
		Source:    m.source,
		Services:  m.models.Pending(),
		Endpoints: m.endpoints.Pending(),
		Workloads: m.workloads.Pending(),
		Problems:  m.problems.Pending(),
	}
}

// commit says that what is pending was sent.
func (m *mesh) commit() {
	m.models.Commit()
	m.endpoints.Commit()
	m.workloads.Commit()
	m.problems.Commit()
}

// registration is what the registry calls a service, and whether that is one of the mesh by now.
type registration struct {
	name  name
	known *atomic.Bool
}

// registrations returns those of all services that are watched.
func (m *mesh) registrations() map[discovery.ServiceID]registration {
	all := make(map[discovery.ServiceID]registration, len(m.services))
	for n, s := range m.services {
		all[s.id] = registration{name: n, known: &s.known}
	}
	return all
}
