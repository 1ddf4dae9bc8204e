package kube

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/discovery/internal/machine"
)

// world is what the watchers have read, in small values, and what has to be
// built anew because of it. Watchers write, the worker reads; a lock guards all
// of it, held for as long as one object or one batch takes.
type world struct {
	mu sync.Mutex
	// wake holds one token when there is something to do.
	wake chan struct{}

	services   *collection[service]
	slices     *collection[slice]
	pods       *collection[pod]
	nodes      *collection[discovery.Node]
	namespaces *collection[discovery.Namespace]
	machines   *collection[workload]

	slicesOf map[discovery.ServiceID]map[string]*slice
	// selecting are the services with a selector, by namespace; machinesIn the machines that can be used.
	selecting  map[string]map[string]*service
	machinesIn map[string]map[string]*machine.Machine

	dirtyServices lanes[discovery.ServiceID]
	dirtyObjects  lanes[dirtyObject]
	// since are when the first change was read that waits in each lane; zero: not to be measured.
	since laneTimes
	// reading is when the change was read that is being put in.
	reading time.Time

	trouble troubles
	// denied are the auxiliary kinds that may not be read.
	denied map[string]bool
}

// dirtyObject is an object whose own value or problems are to be sent anew.
type dirtyObject struct {
	kind string
	key  key
}

type laneTimes struct{ urgent, ordinary time.Time }

func newWorld() *world {
	w := &world{
		wake:          make(chan struct{}, 1),
		slicesOf:      make(map[discovery.ServiceID]map[string]*slice),
		selecting:     make(map[string]map[string]*service),
		machinesIn:    make(map[string]map[string]*machine.Machine),
		dirtyServices: newLanes[discovery.ServiceID](),
		dirtyObjects:  newLanes[dirtyObject](),
		trouble:       newTroubles(),
		denied:        make(map[string]bool),
	}
	w.services = newCollection((*service).equal, w.serviceChanged)
	w.slices = newCollection((*slice).equal, w.sliceChanged)
	w.pods = newCollection((*pod).equal, w.podChanged)
	w.nodes = newCollection((*discovery.Node).Equal, w.nodeChanged)
	w.namespaces = newCollection((*discovery.Namespace).Equal, w.namespaceChanged)
	w.machines = newCollection((*workload).equal, w.machineChanged)
	return w
}

// wakeUp tells the worker that there is something to do.
func (w *world) wakeUp() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// complete reports whether every kind was read whole.
func (w *world) complete() bool {
	return w.services.complete && w.slices.complete && w.pods.complete && w.nodes.complete && w.namespaces.complete && w.machines.complete
}

// deny notes whether an auxiliary kind may not be read.
func (w *world) deny(part string, denied bool) {
	if w.denied[part] != denied {
		w.denied[part] = denied
		w.dirtyObject(kindResource, key{name: part}, false)
	}
}

func (w *world) dirtyService(id discovery.ServiceID, urgent bool) {
	w.dirtyServices.add(id, urgent)
	w.waits(urgent)
}

func (w *world) dirtyObject(kind string, k key, urgent bool) {
	w.dirtyObjects.add(dirtyObject{kind, k}, urgent)
	w.waits(urgent)
}

func (w *world) waits(urgent bool) {
	if urgent {
		w.since.urgent = earliest(w.since.urgent, w.reading)
	} else {
		w.since.ordinary = earliest(w.since.ordinary, w.reading)
	}
}

func (w *world) serviceChanged(k key, before, now *service) {
	id := discovery.ServiceID{Namespace: k.namespace, Name: k.name}
	if before != nil && len(before.selector) > 0 {
		erase(w.selecting, k)
	}
	if now != nil && len(now.selector) > 0 {
		insert(w.selecting, k, now)
	}
	w.dirtyService(id, now == nil)
	for _, s := range w.slicesOf[id] {
		w.dirtyObject(kindSlice, s.key, false)
	}
}

func (w *world) sliceChanged(k key, before, now *slice) {
	loses := before != nil && before.loses(now)
	if before != nil && before.service != "" {
		id := discovery.ServiceID{Namespace: k.namespace, Name: before.service}
		if delete(w.slicesOf[id], k.name); len(w.slicesOf[id]) == 0 {
			delete(w.slicesOf, id)
		}
		w.dirtyService(id, loses)
	}
	if now != nil && now.service != "" {
		id := discovery.ServiceID{Namespace: k.namespace, Name: now.service}
		if w.slicesOf[id] == nil {
			w.slicesOf[id] = make(map[string]*slice, 1)
		}
		w.slicesOf[id][k.name] = now
		w.dirtyService(id, loses)
	}
	w.dirtyObject(kindSlice, k, false)
}

func (w *world) podChanged(k key, before, now *pod) {
	w.dirtyObject(kindPod, k, before != nil && before.loses(now))
}

// nodeChanged sends what runs on a node that moved to another zone, too.
func (w *world) nodeChanged(k key, before, now *discovery.Node) {
	w.dirtyObject(kindNode, k, now == nil || before != nil && before.Ready && !now.Ready)
	if before != nil && now != nil && before.Locality == now.Locality {
		return
	}
	for at, p := range w.pods.items {
		if p.workload != nil && p.workload.Node == k.name {
			w.pods.put(at, p.at(w.placeOf(k.name)))
		}
	}
	for id, slicesOf := range w.slicesOf {
		if onNode(slicesOf, k.name) {
			w.dirtyService(id, false)
		}
	}
}

// namespaceChanged sends one that is being removed ahead of what is new: what is in it goes.
func (w *world) namespaceChanged(k key, before, now *discovery.Namespace) {
	w.dirtyObject(kindNamespace, k, now == nil || before != nil && !before.Terminating && now.Terminating)
}

func onNode(of map[string]*slice, node string) bool {
	for _, s := range of {
		if slices.ContainsFunc(s.endpoints, func(e sliceEndpoint) bool { return e.node == node }) {
			return true
		}
	}
	return false
}

// placeOf is where a node is, as far as known.
func (w *world) placeOf(node string) discovery.Locality {
	if known := w.nodes.items[key{name: node}]; known != nil {
		return known.Locality
	}
	return discovery.Locality{}
}

func (w *world) machineChanged(k key, before, now *workload) {
	loses := before != nil && before.loses(now)
	w.dirtyObject(kindWorkload, k, loses)
	erase(w.machinesIn, k)
	if now != nil && now.machine != nil {
		insert(w.machinesIn, k, now.machine)
	}
	for name, s := range w.selecting[k.namespace] {
		if selectsMachine(s, before) || selectsMachine(s, now) {
			w.dirtyService(discovery.ServiceID{Namespace: k.namespace, Name: name}, loses)
		}
	}
}

func selectsMachine(s *service, w *workload) bool {
	return w != nil && w.machine != nil && s.selects(w.machine.Model.Labels)
}

// facts are what the endpoints of a service follow from; false says that there is no such service.
func (w *world) facts(id discovery.ServiceID) (facts, bool) {
	s := w.services.items[key{id.Namespace, id.Name}]
	if s == nil {
		return facts{}, false
	}
	f := facts{service: s, nodes: w.nodes.items, slices: slices.Collect(maps.Values(w.slicesOf[id]))}
	slices.SortFunc(f.slices, func(a, b *slice) int { return strings.Compare(a.key.name, b.key.name) })
	if len(s.selector) > 0 {
		f.machines = selected(s, w.machinesIn[id.Namespace])
	}
	return f, true
}

// selected are the machines that a service selects, sorted by name.
func selected(s *service, from map[string]*machine.Machine) []*machine.Machine {
	var machines []*machine.Machine
	for _, m := range from {
		if s.selects(m.Model.Labels) {
			machines = append(machines, m)
		}
	}
	slices.SortFunc(machines, func(a, b *machine.Machine) int { return a.Model.ID.Compare(b.Model.ID) })
	return machines
}

func insert[V any](index map[string]map[string]V, k key, value V) {
	if index[k.namespace] == nil {
		index[k.namespace] = make(map[string]V)
	}
	index[k.namespace][k.name] = value
}

func erase[V any](index map[string]map[string]V, k key) {
	delete(index[k.namespace], k.name)
	if len(index[k.namespace]) == 0 {
		delete(index, k.namespace)
	}
}
