package kube

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"outrigger.dev/outrigger/api/v1alpha1"
	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy/compile"
)

// stamp tells one content of an object from another: what a user writes raises the generation, what is written to the
// status does not.
type stamp struct {
	uid        types.UID
	generation int64
}

// location says where the content stands; it is empty for none. It is the same for every replica, whenever it began to watch.
func (s stamp) location() string {
	if s == (stamp{}) {
		return ""
	}
	return fmt.Sprintf("generation %d", s.generation)
}

// entry is an object as the cluster has it.
type entry struct {
	stamp stamp
	// object is a *v1alpha1 object: the last one that decoded, with its stamp; nil while none did.
	object  metav1.Object
	decoded stamp
	// problem is why the content of now does not decode.
	problem *discovery.Problem
}

// table holds what the cluster has and what the reader knows of it.
type table struct {
	have map[discovery.ObjectID]entry
	// known are the contents that the reader has.
	known map[discovery.ObjectID]stamp
	// wrong are the objects that the reader has a problem of.
	wrong map[discovery.ObjectID]bool
	// dirty are the objects that may differ.
	dirty map[discovery.ObjectID]bool
}

func newTable() *table {
	return &table{
		have: make(map[discovery.ObjectID]entry), known: make(map[discovery.ObjectID]stamp),
		wrong: make(map[discovery.ObjectID]bool), dirty: make(map[discovery.ObjectID]bool),
	}
}

// take takes in what a watcher tells, and reports whether anything is news.
func (t *table) take(e event) bool {
	news := false
	if e.what == full {
		news = t.retain(e)
	}
	for _, object := range e.objects {
		id := e.kind.id(object)
		if e.what == gone {
			news = t.remove(id) || news
			continue
		}
		news = t.put(id, object) || news
	}
	return news
}

// retain removes the objects of a kind that are not in its full state.
func (t *table) retain(e event) bool {
	there := make(map[discovery.ObjectID]bool, len(e.objects))
	for _, object := range e.objects {
		there[e.kind.id(object)] = true
	}
	news := false
	for id := range t.have {
		if id.Kind == e.kind.name && !there[id] {
			news = t.remove(id) || news
		}
	}
	return news
}

func (t *table) remove(id discovery.ObjectID) bool {
	if _, there := t.have[id]; !there {
		return false
	}
	delete(t.have, id)
	t.dirty[id] = true
	return true
}

func (t *table) put(id discovery.ObjectID, object *unstructured.Unstructured) bool {
	next := entry{stamp: stamp{uid: object.GetUID(), generation: object.GetGeneration()}}
	before, there := t.have[id]
	if there && before.stamp == next.stamp {
		return false
	}
	read, err := decodeKind(id.Kind, object)
	if err != nil {
		next.object, next.decoded = before.object, before.decoded
		next.problem = &discovery.Problem{
			Object: id, Location: next.stamp.location(), Reason: "Undecodable",
			Message: err.Error() + "; install the CustomResourceDefinitions of this version of Outrigger",
		}
	} else {
		next.object, next.decoded = read, next.stamp
	}
	t.have[id] = next
	t.dirty[id] = true
	return true
}

// decodeKind reads a policy object into its type, without what nobody reads of it.
func decodeKind(kind string, object *unstructured.Unstructured) (metav1.Object, error) {
	unstructured.RemoveNestedField(object.Object, "status")
	switch kind {
	case v1alpha1.KindMeshConfig:
		return decode[v1alpha1.MeshConfig](object)
	case v1alpha1.KindProxyConfig:
		return decode[v1alpha1.ProxyConfig](object)
	case v1alpha1.KindAuthenticationPolicy:
		return decode[v1alpha1.AuthenticationPolicy](object)
	}
	return nil, fmt.Errorf("%s is no kind of policies", kind)
}

// pending returns what the reader does not know yet, and whether there is anything.
func (t *table) pending() (compile.Objects, compile.Problems, bool) {
	objects := compile.Objects{
		MeshConfigs:            make(map[discovery.ObjectID]*v1alpha1.MeshConfig),
		ProxyConfigs:           make(map[discovery.ObjectID]*v1alpha1.ProxyConfig),
		AuthenticationPolicies: make(map[discovery.ObjectID]*v1alpha1.AuthenticationPolicy),
		Locations:              make(map[discovery.ObjectID]string),
	}
	problems := make(compile.Problems)
	for id := range t.dirty {
		now := t.have[id]
		if now.problem != nil {
			problems[id] = []discovery.Problem{*now.problem}
		} else if t.wrong[id] {
			problems[id] = nil
		}
		if now.decoded != t.known[id] {
			add(&objects, id, now.object)
			objects.Locations[id] = now.decoded.location()
		}
	}
	return objects, problems, len(problems) > 0 || len(objects.Locations) > 0
}

// add adds an object, or that it is gone.
func add(to *compile.Objects, id discovery.ObjectID, object metav1.Object) {
	switch id.Kind {
	case v1alpha1.KindMeshConfig:
		to.MeshConfigs[id], _ = object.(*v1alpha1.MeshConfig)
	case v1alpha1.KindProxyConfig:
		to.ProxyConfigs[id], _ = object.(*v1alpha1.ProxyConfig)
	case v1alpha1.KindAuthenticationPolicy:
		to.AuthenticationPolicies[id], _ = object.(*v1alpha1.AuthenticationPolicy)
	}
}

// sent remembers that the reader has what was pending.
func (t *table) sent() {
	for id := range t.dirty {
		now := t.have[id]
		t.known[id] = now.decoded
		if now.decoded == (stamp{}) {
			delete(t.known, id)
		}
		t.wrong[id] = true
		if now.problem == nil {
			delete(t.wrong, id)
		}
	}
	clear(t.dirty)
}
