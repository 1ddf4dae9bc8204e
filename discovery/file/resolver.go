package file

import (
	"maps"
	"net/netip"
	"slices"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/discovery/internal/machine"
)

// resolver holds the services and workloads in use, with the indexes that lead
// from a change to the services that it may touch.
type resolver struct {
	services  map[discovery.ServiceID]*Object
	workloads map[discovery.WorkloadID]*machine.Machine
	// byLabel finds workloads by namespace and one label.
	byLabel map[selection]map[discovery.WorkloadID]*machine.Machine
	// selecting finds services by namespace and the first label of their selectors.
	selecting map[selection]map[discovery.ServiceID]*service
	// vips are the services that ask for an address.
	vips map[netip.Addr]map[discovery.ServiceID]bool
	// dirty are the services to resolve again.
	dirty map[discovery.ServiceID]bool
}

// selection is one label within a namespace.
type selection struct {
	namespace string
	label     label
}

func newResolver() *resolver {
	return &resolver{
		services:  make(map[discovery.ServiceID]*Object),
		workloads: make(map[discovery.WorkloadID]*machine.Machine),
		byLabel:   make(map[selection]map[discovery.WorkloadID]*machine.Machine),
		selecting: make(map[selection]map[discovery.ServiceID]*service),
		vips:      make(map[netip.Addr]map[discovery.ServiceID]bool),
		dirty:     make(map[discovery.ServiceID]bool),
	}
}

// takeDirty returns the services to resolve and forgets them.
func (r *resolver) takeDirty() map[discovery.ServiceID]bool {
	dirty := r.dirty
	r.dirty = make(map[discovery.ServiceID]bool)
	return dirty
}

func (r *resolver) putService(object *Object) {
	id := object.service.id
	before := r.services[id]
	r.services[id] = object
	if before != nil && before.service.equal(object.service) && before.File == object.File {
		return
	}
	if before != nil {
		r.unindexService(before.service)
	}
	r.indexService(object.service)
	r.dirty[id] = true
}

func (r *resolver) removeService(id discovery.ServiceID) {
	if before := r.services[id]; before != nil {
		delete(r.services, id)
		r.unindexService(before.service)
		r.dirty[id] = true
	}
}

func (r *resolver) indexService(s *service) {
	if len(s.selector) > 0 {
		insert(r.selecting, selection{namespace: s.id.Namespace, label: s.selector[0]}, s.id, s)
	}
	for _, vip := range s.vips {
		insert(r.vips, vip, s.id, true)
		r.markSharing(vip)
	}
}

func (r *resolver) unindexService(s *service) {
	if len(s.selector) > 0 {
		erase(r.selecting, selection{namespace: s.id.Namespace, label: s.selector[0]}, s.id)
	}
	for _, vip := range s.vips {
		r.markSharing(vip)
		erase(r.vips, vip, s.id)
	}
}

// markSharing marks the services that ask for an address: who has it may change.
func (r *resolver) markSharing(vip netip.Addr) {
	for id := range r.vips[vip] {
		r.dirty[id] = true
	}
}

func (r *resolver) putWorkload(w *machine.Machine) {
	before := r.workloads[w.Model.ID]
	if before.Equal(w) {
		return
	}
	r.workloads[w.Model.ID] = w
	if before != nil {
		r.unindexWorkload(before)
		r.markSelecting(before)
	}
	r.indexWorkload(w)
	r.markSelecting(w)
}

func (r *resolver) removeWorkload(id discovery.WorkloadID) {
	if before := r.workloads[id]; before != nil {
		delete(r.workloads, id)
		r.unindexWorkload(before)
		r.markSelecting(before)
	}
}

func (r *resolver) indexWorkload(w *machine.Machine) {
	for key, value := range w.Model.Labels {
		insert(r.byLabel, selection{namespace: w.Model.ID.Namespace, label: label{key, value}}, w.Model.ID, w)
	}
}

func (r *resolver) unindexWorkload(w *machine.Machine) {
	for key, value := range w.Model.Labels {
		erase(r.byLabel, selection{namespace: w.Model.ID.Namespace, label: label{key, value}}, w.Model.ID)
	}
}

// markSelecting marks the services that select a workload.
func (r *resolver) markSelecting(w *machine.Machine) {
	for key, value := range w.Model.Labels {
		for id, s := range r.selecting[selection{namespace: w.Model.ID.Namespace, label: label{key, value}}] {
			if s.selects(w.Model.Labels) {
				r.dirty[id] = true
			}
		}
	}
}

// selected returns the workloads of a service in the order of their ids.
func (r *resolver) selected(s *service) []*machine.Machine {
	var fewest map[discovery.WorkloadID]*machine.Machine
	for i, want := range s.selector {
		having := r.byLabel[selection{namespace: s.id.Namespace, label: want}]
		if i == 0 || len(having) < len(fewest) {
			fewest = having
		}
	}
	var found []*machine.Machine
	for _, id := range slices.SortedFunc(maps.Keys(fewest), discovery.WorkloadID.Compare) {
		if s.selects(fewest[id].Model.Labels) {
			found = append(found, fewest[id])
		}
	}
	return found
}

// owner returns the service that has an address: the one whose id sorts first.
func (r *resolver) owner(vip netip.Addr) discovery.ServiceID {
	return slices.MinFunc(slices.Collect(maps.Keys(r.vips[vip])), discovery.ServiceID.Compare)
}

func insert[K, I comparable, V any](index map[K]map[I]V, key K, id I, value V) {
	if index[key] == nil {
		index[key] = make(map[I]V)
	}
	index[key][id] = value
}

func erase[K, I comparable, V any](index map[K]map[I]V, key K, id I) {
	delete(index[key], id)
	if len(index[key]) == 0 {
		delete(index, key)
	}
}
