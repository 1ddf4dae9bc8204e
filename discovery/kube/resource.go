package kube

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"outrigger.dev/outrigger/api/v1alpha1"
	"outrigger.dev/outrigger/discovery"
)

// resource names a kind as requests do.
type resource struct {
	group string
	name  string
	// optional says that a cluster may not know the kind.
	optional bool
	// auxiliary says that the mesh does without the kind: a server that has no right to read it goes on, with a warning.
	auxiliary bool
}

// sink takes what a watcher reads of one kind.
type sink interface {
	// list returns an empty list of the kind.
	list() runtime.Object
	// begin starts a full state, collect takes an object of it.
	begin()
	collect(object runtime.Object, gone bool)
	// replace puts the full state in the place of what was known. The world is locked.
	replace()
	// event reads an object of a watch; apply puts it in, and reports whether that changes anything. For apply the world is locked.
	event(object runtime.Object, gone bool)
	apply() bool
}

// kind is the sink of one kind: T is the small value, O the object of the API.
type kind[O runtime.Object, T any] struct {
	empty func() runtime.Object
	read  func(in *interner, from O) (key, *T)
	// prepare adds what the world knows; nil for nothing.
	prepare func(k key, now *T) *T
	into    *collection[T]
	// observe is told of every event that is put in; nil for nobody.
	observe func(before, now *T)
	intern  interner
	fresh   map[key]*T
	// next is the object of the last event.
	next struct {
		key key
		now *T
	}
}

func (s *kind[O, T]) list() runtime.Object { return s.empty() }

func (s *kind[O, T]) begin() { s.fresh = make(map[key]*T) }

func (s *kind[O, T]) collect(object runtime.Object, gone bool) {
	from, ok := object.(O)
	if !ok {
		return
	}
	k, now := s.read(&s.intern, from)
	if gone || now == nil {
		delete(s.fresh, k)
		return
	}
	s.fresh[k] = now
}

func (s *kind[O, T]) replace() {
	for k, now := range s.fresh {
		s.fresh[k] = s.prepared(k, now)
	}
	s.into.replace(s.fresh)
	s.fresh = nil
}

func (s *kind[O, T]) event(object runtime.Object, gone bool) {
	s.next.key, s.next.now = key{}, nil
	from, ok := object.(O)
	if !ok {
		return
	}
	s.next.key, s.next.now = s.read(&s.intern, from)
	if gone {
		s.next.now = nil
	}
}

func (s *kind[O, T]) apply() bool {
	k, now := s.next.key, s.prepared(s.next.key, s.next.now)
	if s.observe != nil {
		s.observe(s.into.items[k], now)
	}
	return s.into.put(k, now)
}

func (s *kind[O, T]) prepared(k key, now *T) *T {
	if now == nil || s.prepare == nil {
		return now
	}
	return s.prepare(k, now)
}

func keyOf(in *interner, namespace, name string) key {
	return key{namespace: in.string(namespace), name: name}
}

func (w *world) servicesSink() sink {
	return &kind[*corev1.Service, service]{
		empty: func() runtime.Object { return &corev1.ServiceList{} }, into: w.services,
		read: func(in *interner, from *corev1.Service) (key, *service) {
			s := readService(in, from)
			return key{s.model.ID.Namespace, s.model.ID.Name}, s
		},
	}
}

// slicesSink tells lag how long a slice's change had been in the cluster when it was read.
func (w *world) slicesSink(lag func(since time.Time)) sink {
	return &kind[*discoveryv1.EndpointSlice, slice]{
		empty: func() runtime.Object { return &discoveryv1.EndpointSliceList{} }, into: w.slices,
		read: func(in *interner, from *discoveryv1.EndpointSlice) (key, *slice) {
			s := readSlice(in, from)
			return s.key, s
		},
		observe: func(before, now *slice) {
			if now != nil && !now.trigger.IsZero() && (before == nil || !now.trigger.Equal(before.trigger)) {
				lag(now.trigger)
			}
		},
	}
}

func (w *world) podsSink() sink {
	return &kind[*corev1.Pod, pod]{
		empty: func() runtime.Object { return &corev1.PodList{} }, into: w.pods,
		read: func(in *interner, from *corev1.Pod) (key, *pod) {
			return keyOf(in, from.Namespace, from.Name), readPod(in, from)
		},
		prepare: func(_ key, now *pod) *pod {
			if now.workload == nil {
				return now
			}
			return now.at(w.placeOf(now.workload.Node))
		},
	}
}

func (w *world) nodesSink() sink {
	return &kind[*corev1.Node, discovery.Node]{
		empty: func() runtime.Object { return &corev1.NodeList{} }, into: w.nodes,
		read: func(in *interner, from *corev1.Node) (key, *discovery.Node) {
			node := readNode(in, from)
			return key{name: node.Name}, node
		},
	}
}

func (w *world) namespacesSink() sink {
	return &kind[*corev1.Namespace, discovery.Namespace]{
		empty: func() runtime.Object { return &corev1.NamespaceList{} }, into: w.namespaces,
		read: func(in *interner, from *corev1.Namespace) (key, *discovery.Namespace) {
			namespace := readNamespace(in, from)
			return key{name: namespace.Name}, namespace
		},
	}
}

func (w *world) machinesSink() sink {
	return &kind[*v1alpha1.Workload, workload]{
		empty: func() runtime.Object { return &v1alpha1.WorkloadList{} }, into: w.machines,
		read: func(in *interner, from *v1alpha1.Workload) (key, *workload) {
			return keyOf(in, from.Namespace, from.Name), readWorkload(in, from)
		},
		prepare: w.lastGood,
	}
}

// lastGood keeps a machine in use whose newest form cannot be used.
func (w *world) lastGood(k key, now *workload) *workload {
	before := w.machines.items[k]
	if now.machine != nil || before == nil {
		return now
	}
	return &workload{machine: before.machine, problems: now.problems}
}
