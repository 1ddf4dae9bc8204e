package kube

import (
	"slices"
	"time"

	"outrigger.dev/outrigger/discovery"
)

func (w *worker) build(objects []dirtyObject, services []discovery.ServiceID, since *time.Time) {
	for _, object := range objects {
		w.object(object)
	}
	for _, id := range services {
		w.service(id)
	}
	if len(objects)+len(services) > 0 {
		w.readAt = earliest(w.readAt, *since)
		*since = time.Time{}
	}
}

// object builds what is sent of one object by itself.
func (w *worker) object(of dirtyObject) {
	var problems []discovery.Problem
	switch of.kind {
	case kindPod:
		var workload *discovery.Workload
		if p := w.world.pods.items[of.key]; p != nil {
			workload, problems = p.workload, p.problems
		}
		if workload == nil {
			delete(w.unready, of.key)
		}
		w.workload(of.key, workload)
		if workload != nil {
			w.arrived(workload.ID)
		}
	case kindWorkload:
		var workload *discovery.Workload
		if m := w.world.machines.items[of.key]; m != nil {
			workload, problems = m.model(), m.problems
		}
		w.workload(of.key, workload)
	case kindNode:
		w.nodes.Put(of.key.name, w.world.nodes.items[of.key])
	case kindNamespace:
		w.namespaces.Put(of.key.name, w.world.namespaces.items[of.key])
	case kindSlice:
		s := w.world.slices.items[of.key]
		if s != nil && w.world.services.items[key{s.key.namespace, s.service}] != nil {
			// What is wrong with it is told when its service is built.
			return
		}
		problems = orphan(s)
	case kindResource:
		if w.world.denied[of.key.name] {
			problems = []discovery.Problem{noRight(of.key)}
		}
	}
	w.problems.Put(of.key.object(of.kind), problems)
}

// noRight says that an auxiliary kind may not be read.
func noRight(resource key) discovery.Problem {
	return discovery.Problem{
		Object: resource.object(kindResource), Reason: "Denied", Warning: true,
		Message: "the API server denies list and watch, the rest of the cluster is read all the same: apply deploy/rbac of this version",
	}
}

// workload sends the instance of that name: a pod goes before a machine.
func (w *worker) workload(k key, value *discovery.Workload) {
	if p := w.world.pods.items[k]; p != nil && p.workload != nil {
		value = w.steadied(k, p.workload)
	} else if m := w.world.machines.items[k]; value == nil && m != nil {
		value = m.model()
	}
	w.workloads.Put(discovery.WorkloadID{Namespace: k.namespace, Name: k.name}, value)
}

// orphan lists what is wrong with a slice whose service there is not. Slices of
// the cluster's own controller go by themselves.
func orphan(s *slice) []discovery.Problem {
	if s == nil || s.managed || s.service == "" {
		if s == nil {
			return nil
		}
		return s.problems
	}
	return append(slices.Clip(s.problems), discovery.Problem{
		Object: s.key.object(kindSlice), Field: "metadata.labels[kubernetes.io/service-name]", Reason: "NoService", Warning: true,
		Message: "there is no Service " + s.key.namespace + "/" + shorten(s.service) + ", the slice is not used: create the Service or delete the slice",
	})
}

// service builds a service and its endpoints.
func (w *worker) service(id discovery.ServiceID) {
	shard := discovery.ShardID{Service: id, Source: w.id}
	f, ok := w.world.facts(id)
	if !ok {
		w.services.Remove(id)
		w.endpoints.Remove(shard)
		w.problems.Remove(serviceObject(id))
		w.remember(id, result{})
		return
	}
	f.shard, f.before, f.pauses, f.now = shard, w.endpoints.Get(shard), w.pauses[id], w.clock()
	if w.syncedSent {
		f.pods = w.world.pods.items
	}
	built := endpoints(f)
	w.services.Put(id, f.service.model)
	w.endpoints.Put(shard, built.set)
	w.problems.Put(serviceObject(id), built.problems)
	for i, s := range f.slices {
		w.problems.Put(s.key.object(kindSlice), built.sliceProblems[i])
	}
	w.remember(id, built)
}

// remember keeps what the next build of a service has to know.
func (w *worker) remember(id discovery.ServiceID, built result) {
	if built.next.due.IsZero() {
		delete(w.pauses, id)
		return
	}
	w.pauses[id] = built.next
}

// arrived builds the services anew that waited for a pod.
func (w *worker) arrived(id discovery.WorkloadID) {
	for service, paused := range w.pauses {
		if _, awaited := paused.awaited[id]; awaited {
			w.world.dirtyService(service, false)
		}
	}
}
