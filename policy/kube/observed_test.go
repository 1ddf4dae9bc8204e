package kube

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"outrigger.dev/outrigger/api/v1alpha1"
	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy/compile"
)

func TestJudge(t *testing.T) {
	policy := discovery.ObjectID{Kind: v1alpha1.KindAuthenticationPolicy, Namespace: "shop", Name: "a"}
	vm := discovery.ObjectID{Kind: v1alpha1.KindWorkload, Namespace: "shop", Name: "vm"}
	refused := []discovery.Problem{{Reason: "Bad", Message: "is bad"}}
	warned := []discovery.Problem{{Reason: "Odd", Message: "is odd", Warning: true}}
	const settle = 2 * time.Second
	for name, c := range map[string]struct {
		id     discovery.ObjectID
		found  finding
		age    time.Duration
		status metav1.ConditionStatus
		wait   time.Duration
	}{
		"taken":                      {policy, finding{taken: 3}, 0, "True", 0},
		"taken and refused":          {policy, finding{taken: 3, problems: refused}, 0, "False", 0},
		"not taken":                  {policy, finding{}, time.Hour, "", 0},
		"the one before is taken":    {policy, finding{taken: 2}, time.Hour, "", 0},
		"the next one is taken":      {policy, finding{taken: 4}, time.Hour, "", 0},
		"warned and not taken":       {policy, finding{problems: warned}, time.Hour, "", 0},
		"refused, not taken, new":    {policy, finding{taken: 2, problems: refused}, time.Second, "", time.Second},
		"refused, not taken, old":    {policy, finding{taken: 2, problems: refused}, settle, "False", 0},
		"a new workload":             {vm, finding{}, 500 * time.Millisecond, "", 1500 * time.Millisecond},
		"a workload":                 {vm, finding{}, settle, "True", 0},
		"a workload that is refused": {vm, finding{problems: refused}, time.Minute, "False", 0},
	} {
		t.Run(name, func(t *testing.T) {
			got := judge(c.id, &observed{stamp: stamp{uid: "u", generation: 3}}, c.found, c.age, settle)
			if got.wait != c.wait || (len(got.wanted) > 0) != (c.status != "") {
				t.Fatalf("the verdict is %+v", got)
			}
			if c.status != "" && (got.wanted[0].Status != c.status || got.wanted[0].ObservedGeneration != 3) {
				t.Errorf("the condition is %+v", got.wanted[0])
			}
		})
	}
}

// While nobody has said anything of the sources, what stands there stays.
func TestSourcesAreLeftAlone(t *testing.T) {
	there := sourcesHealthy("12 endpoints are held")
	id := discovery.ObjectID{Kind: v1alpha1.KindMeshConfig, Name: "default"}
	seen := &observed{stamp: stamp{uid: "u", generation: 1}, conditions: []metav1.Condition{there}}
	got := judge(id, seen, finding{taken: 1}, 0, time.Second)
	if len(got.wanted) != 2 || got.wanted[1].Message != there.Message {
		t.Errorf("the verdict is %+v", got)
	}
	healthy := ""
	got = judge(id, seen, finding{taken: 1, sources: &healthy}, 0, time.Second)
	if len(got.wanted) != 2 || got.wanted[1].Status != metav1.ConditionTrue {
		t.Errorf("the verdict is %+v", got)
	}
}

func TestObserve(t *testing.T) {
	then := time.Unix(1000, 0)
	first := observe(policyObject("a", 1, 10), nil, then)
	first.attempts, first.next = 3, then
	same := observe(policyObject("a", 1, 11), first, then.Add(time.Second))
	if same.since != then || same.attempts != 3 || same.next != then {
		t.Errorf("the same content: %+v", same)
	}
	if older := observe(policyObject("a", 1, 9), same, then.Add(time.Second)); older != same {
		t.Errorf("an older version is taken: %+v", older)
	}
	next := observe(policyObject("a", 2, 12), same, then.Add(time.Minute))
	if next.since != then.Add(time.Minute) || next.attempts != 3 {
		t.Errorf("another content: %+v", next)
	}
	object := policyObject("a", 1, 5)
	object.SetUID("another")
	if other := observe(object, next, then.Add(time.Hour)); other.attempts != 0 || !other.next.IsZero() || other.since != then.Add(time.Hour) {
		t.Errorf("another object of the name: %+v", other)
	}
}

func TestConditionsThatDoNotDecode(t *testing.T) {
	for name, status := range map[string]any{
		"a text": "fine", "a list": []any{}, "odd conditions": map[string]any{"conditions": "all good"},
	} {
		object := policyObject("a", 1, 1)
		object.Object["status"] = status
		if got := conditionsOf(object); got != nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
	object := policyObject("a", 1, 1)
	must(t, unstructured.SetNestedSlice(object.Object, []any{
		map[string]any{"type": "Other", "status": "True"}, map[string]any{"type": "Accepted", "status": "True"},
	}, "status", "conditions"))
	if got := conditionsOf(object); len(got) != 1 || got[0].Type != ConditionAccepted {
		t.Errorf("the conditions are %+v", got)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestFindings(t *testing.T) {
	id := discovery.ObjectID{Kind: v1alpha1.KindAuthenticationPolicy, Namespace: "shop", Name: "a"}
	mesh := discovery.ObjectID{Kind: v1alpha1.KindMeshConfig, Name: v1alpha1.MeshConfigName}
	f := newFindings()
	list := []discovery.Problem{{Object: id, Reason: "Bad"}}
	f.set("core", map[discovery.ObjectID][]discovery.Problem{id: list})
	f.set("rules", map[discovery.ObjectID][]discovery.Problem{id: list})
	if news := f.news(); !news[id] || len(news) != 1 || len(f.of(id).problems) != 2 {
		t.Errorf("news %v, %+v", news, f.of(id))
	}
	f.set("core", map[discovery.ObjectID][]discovery.Problem{id: list})
	f.setSources("")
	f.setSources("")
	if news := f.news(); news[id] || !news[mesh] {
		t.Errorf("the same again is news: %v", news)
	}
	f.set("core", map[discovery.ObjectID][]discovery.Problem{id: nil})
	if news := f.news(); !news[id] || len(f.of(id).problems) != 1 {
		t.Errorf("news %v, %+v", news, f.of(id))
	}
	object := &v1alpha1.AuthenticationPolicy{ObjectMeta: metav1.ObjectMeta{Generation: 4}}
	f.take(compile.Objects{AuthenticationPolicies: map[discovery.ObjectID]*v1alpha1.AuthenticationPolicy{id: object}})
	if f.of(id).taken != 4 {
		t.Errorf("taken is generation %d", f.of(id).taken)
	}
	f.take(compile.Objects{AuthenticationPolicies: map[discovery.ObjectID]*v1alpha1.AuthenticationPolicy{id: nil}})
	if news := f.news(); f.of(id).taken != 0 || !news[id] {
		t.Errorf("what is gone is taken as generation %d", f.of(id).taken)
	}
	select {
	case <-f.wake:
	default:
		t.Error("nobody was woken")
	}
}
