package kube

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"outrigger.dev/outrigger/api/v1alpha1"
	"outrigger.dev/outrigger/discovery"
)

// observed is an object as the cluster has it: what a condition is about, and the conditions.
type observed struct {
	stamp      stamp
	version    uint64
	conditions []metav1.Condition
	// since is when this content was first seen.
	since time.Time
	// next is before when its conditions are not written, whatever happens; attempts is how often that failed since it last succeeded.
	next     time.Time
	attempts int
}

// observe returns what there is to know of an object; before is what was known, nil for nothing. What is older than that is no news:
// the answer to a write may come before what a watch tells of an earlier one.
func observe(object *unstructured.Unstructured, before *observed, now time.Time) *observed {
	version := versionOf(object.GetResourceVersion())
	if before != nil && before.stamp.uid == object.GetUID() && version < before.version {
		return before
	}
	seen := &observed{
		stamp:      stamp{uid: object.GetUID(), generation: object.GetGeneration()},
		version:    version,
		conditions: conditionsOf(object),
		since:      now,
	}
	if before != nil && before.stamp.uid == seen.stamp.uid {
		seen.next, seen.attempts = before.next, before.attempts
		if before.stamp == seen.stamp {
			seen.since = before.since
		}
	}
	return seen
}

// conditionsOf reads the conditions that a Writer writes; what does not decode is as good as none.
func conditionsOf(object *unstructured.Unstructured) []metav1.Condition {
	fields, _, err := unstructured.NestedMap(object.Object, "status")
	if err != nil {
		return nil
	}
	var status v1alpha1.Status
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(fields, &status); err != nil {
		return nil
	}
	return own(status.Conditions)
}

// verdict is what is to be done about an object's conditions.
type verdict struct {
	// wanted are the conditions; none when nothing can be said.
	wanted []metav1.Condition
	// wait is how long to wait before the object is judged again; 0: until something changes.
	wait time.Duration
}

// judge says which conditions an object should have.
func judge(id discovery.ObjectID, seen *observed, found finding, age, settle time.Duration) verdict {
	exact := found.taken == seen.stamp.generation
	// Of a Workload nobody says which generation was taken, and of what is refused it may be none.
	if !exact && id.Kind != v1alpha1.KindWorkload && !found.refused() {
		return verdict{}
	}
	if !exact && age < settle {
		return verdict{wait: settle - age}
	}
	wanted := []metav1.Condition{accepted(found.problems)}
	if id.Kind == v1alpha1.KindMeshConfig {
		if found.sources != nil {
			wanted = append(wanted, sourcesHealthy(*found.sources))
		} else if there := find(seen.conditions, ConditionSourcesHealthy); there != nil {
			wanted = append(wanted, *there)
		}
	}
	for i := range wanted {
		wanted[i].ObservedGeneration = seen.stamp.generation
	}
	return verdict{wanted: wanted}
}
