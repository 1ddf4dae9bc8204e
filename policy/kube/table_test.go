package kube

import (
	"maps"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"outrigger.dev/outrigger/api/v1alpha1"
	"outrigger.dev/outrigger/discovery"
)

// model is a cluster of a few objects, and what a reader was told of it.
type model struct {
	cluster map[string]*unstructured.Unstructured
	// good is the last content of each object that decodes.
	good map[string]stamp
	next int64

	objects map[string]stamp
	wrong   map[string]bool
}

func (m *model) write(name string, bad bool) *unstructured.Unstructured {
	m.next++
	object := policyObject(name, m.next, m.next)
	if bad {
		object.Object["spec"] = "all of them"
	}
	m.cluster[name] = object
	if !bad {
		m.good[name] = stamp{uid: types.UID("uid-" + name), generation: m.next}
	}
	return object.DeepCopy()
}

// read takes what is pending as a reader does.
func (m *model) read(t *rapid.T, table *table) {
	objects, problems, news := table.pending()
	if news != (len(problems) > 0 || len(objects.AuthenticationPolicies) > 0) {
		t.Fatalf("news %t, %d objects, %d problems", news, len(objects.AuthenticationPolicies), len(problems))
	}
	for id, object := range objects.AuthenticationPolicies {
		if _, placed := objects.Locations[id]; !placed {
			t.Fatalf("%s has no location", id)
		}
		if object == nil {
			delete(m.objects, id.Name)
			continue
		}
		m.objects[id.Name] = stamp{uid: object.UID, generation: object.Generation}
	}
	for id, list := range problems {
		m.wrong[id.Name] = len(list) > 0
		if len(list) == 0 {
			delete(m.wrong, id.Name)
		}
	}
	table.sent()
	if _, _, news := table.pending(); news {
		t.Fatal("there is news after all was told")
	}
}

// However events come and whenever a reader reads, it knows at last what the cluster has.
func TestReaderKnowsTheCluster(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{
			cluster: map[string]*unstructured.Unstructured{}, good: map[string]stamp{},
			objects: map[string]stamp{}, wrong: map[string]bool{},
		}
		table := newTable()
		names := rapid.SampledFrom([]string{"a", "b", "c"})
		t.Repeat(map[string]func(*rapid.T){
			"write": func(t *rapid.T) {
				object := m.write(names.Draw(t, "name"), rapid.Bool().Draw(t, "bad"))
				table.take(event{kind: authenticationPolicy, what: changed, objects: []*unstructured.Unstructured{object}})
			},
			"status": func(t *rapid.T) {
				object := m.cluster[names.Draw(t, "name")]
				if object == nil {
					return
				}
				object = object.DeepCopy()
				object.Object["status"] = map[string]any{"conditions": []any{}}
				if table.take(event{kind: authenticationPolicy, what: changed, objects: []*unstructured.Unstructured{object}}) {
					t.Fatal("a status is news")
				}
			},
			"delete": func(t *rapid.T) {
				name := names.Draw(t, "name")
				delete(m.cluster, name)
				delete(m.good, name)
				table.take(event{kind: authenticationPolicy, what: gone, objects: []*unstructured.Unstructured{policyObject(name, 1, 1)}})
			},
			"full": func(t *rapid.T) {
				name := names.Draw(t, "name")
				delete(m.cluster, name)
				delete(m.good, name)
				e := event{kind: authenticationPolicy, what: full}
				for _, name := range slices.Sorted(maps.Keys(m.cluster)) {
					e.objects = append(e.objects, m.cluster[name].DeepCopy())
				}
				table.take(e)
			},
			"read": func(t *rapid.T) { m.read(t, table) },
		})
		m.read(t, table)
		if !maps.Equal(m.objects, m.good) {
			t.Fatalf("the reader has %v, want %v", m.objects, m.good)
		}
		for name, object := range m.cluster {
			if _, text := object.Object["spec"].(string); text != m.wrong[name] {
				t.Fatalf("problem of %s: %t", name, m.wrong[name])
			}
		}
	})
}

func TestUnknownKindsAreNotDecoded(t *testing.T) {
	if _, err := decodeKind(v1alpha1.KindWorkload, policyObject("a", 1, 1)); err == nil {
		t.Error("a Workload is no policy")
	}
	var id discovery.ObjectID
	if newTable().remove(id) {
		t.Error("what is not there was removed")
	}
}
