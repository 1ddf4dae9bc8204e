package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic/fake"
	clienttesting "k8s.io/client-go/testing"

	"outrigger.dev/outrigger/api/v1alpha1"
	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy/compile"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// office is an API server that takes statuses, or not, as the test says.
type office struct {
	mu sync.Mutex
	// wrote are the times of all attempts.
	wrote []time.Time
	last  *unstructured.Unstructured
	// answer is what attempt n gets; nil: it is written.
	answer  func(n int) error
	objects []*unstructured.Unstructured
	watch   *watch.FakeWatcher
}

func (o *office) attempts() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.wrote)
}

// writer returns a Writer whose cluster has the policies of these names, and which took all of them.
func (o *office) writer(t *testing.T, names ...string) *Writer {
	t.Helper()
	kinds := make(map[schema.GroupVersionResource]string)
	for _, kind := range statusKinds() {
		kinds[kind.resource()] = kind.name + "List"
	}
	client := fake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), kinds)
	client.PrependWatchReactor("*", func(action clienttesting.Action) (bool, watch.Interface, error) {
		o.mu.Lock()
		defer o.mu.Unlock()
		stream := watch.NewFakeWithChanSize(len(names)+10, false)
		if action.GetResource() == authenticationPolicy.resource() {
			o.watch = stream
			for _, object := range o.objects {
				stream.Add(object.DeepCopy())
			}
		}
		stream.Action(watch.Bookmark, bookmark(100, true))
		return true, stream, nil
	})
	client.PrependReactor("patch", "*", func(action clienttesting.Action) (bool, runtime.Object, error) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.wrote = append(o.wrote, time.Now())
		if err := o.answer(len(o.wrote)); err != nil {
			return true, nil, err
		}
		o.last = new(unstructured.Unstructured)
		if err := json.Unmarshal(action.(clienttesting.PatchAction).GetPatch(), &o.last.Object); err != nil {
			return true, nil, err
		}
		return true, o.store(o.last), nil
	})
	writer := &Writer{
		config:   WriterConfig{Logger: discard(), Identity: "a"}.withDefaults(),
		client:   client,
		findings: newFindings(),
	}
	for i, name := range names {
		o.objects = append(o.objects, policyObject(name, 1, int64(i+1)))
	}
	objects := compile.Objects{AuthenticationPolicies: map[discovery.ObjectID]*v1alpha1.AuthenticationPolicy{}}
	for _, name := range names {
		object := &v1alpha1.AuthenticationPolicy{}
		object.Generation = 1
		objects.AuthenticationPolicies[idOf(name)] = object
	}
	writer.Took(objects)
	return writer
}

// store takes a status over into the object, and returns the object.
func (o *office) store(applied *unstructured.Unstructured) *unstructured.Unstructured {
	for _, object := range o.objects {
		if object.GetName() == applied.GetName() {
			object.Object["status"] = applied.Object["status"]
			object.SetResourceVersion(fmt.Sprint(200 + len(o.wrote)))
			return object.DeepCopy()
		}
	}
	return nil
}

func idOf(name string) discovery.ObjectID {
	return discovery.ObjectID{Kind: v1alpha1.KindAuthenticationPolicy, Namespace: "shop", Name: name}
}

// lead lets a writer write for a time.
func lead(t *testing.T, w *Writer, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	newTerm(w).run(ctx)
}

func TestWritesOnceEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &office{answer: func(int) error { return nil }}
		w := o.writer(t, "a", "b", "c")
		lead(t, w, time.Hour)
		if o.attempts() != 3 || w.Writes() != 3 {
			t.Errorf("%d attempts, %d writes, want 3", o.attempts(), w.Writes())
		}
		if o.last.GetUID() == "" {
			t.Error("the write names no UID: it could hit another object of the name")
		}
	})
}

func TestWritesAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &office{answer: func(int) error { return nil }}
		names := make([]string, 100)
		for i := range names {
			names[i] = string(rune('a'+i/26)) + string(rune('a'+i%26))
		}
		begun := time.Now()
		lead(t, o.writer(t, names...), time.Minute)
		if o.attempts() != 100 {
			t.Fatalf("%d writes, want 100", o.attempts())
		}
		if took := o.wrote[99].Sub(begun); took < 4900*time.Millisecond || took > 6*time.Second {
			t.Errorf("100 writes took %s, want 5 s at 20 per second", took)
		}
	})
}

func TestFailedWritesAreTriedAgain(t *testing.T) {
	resource := schema.GroupResource{Group: "outrigger.dev", Resource: "authenticationpolicies"}
	for name, failure := range map[string]error{
		"conflict":  apierrors.NewConflict(resource, "a", errors.New("another UID")),
		"forbidden": apierrors.NewForbidden(resource, "a", errors.New("no right")),
		"away":      errors.New("connection refused"),
		"throttled": apierrors.NewTooManyRequestsError("later"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &office{answer: func(n int) error {
					if n < 6 {
						return failure
					}
					return nil
				}}
				w := o.writer(t, "a")
				lead(t, w, time.Hour)
				if o.attempts() != 6 || w.Writes() != 1 {
					t.Fatalf("%d attempts, %d writes, want 6 and 1", o.attempts(), w.Writes())
				}
				for i := 1; i < 6; i++ {
					if wait := o.wrote[i].Sub(o.wrote[i-1]); wait < DefaultSettle || wait > DefaultRetry {
						t.Errorf("attempt %d came after %s", i+1, wait)
					}
				}
			})
		})
	}
}

// What is learnt of an object meanwhile does not hasten the next attempt.
func TestNewsDoNotHastenAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &office{answer: func(int) error { return errors.New("connection refused") }}
		w := o.writer(t, "a")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		done := make(chan struct{})
		go func() {
			defer close(done)
			newTerm(w).run(ctx)
		}()
		news := time.NewTicker(100 * time.Millisecond)
		defer news.Stop()
		synctest.Wait()
		for version := int64(101); ctx.Err() == nil; version++ {
			problem := discovery.Problem{Object: idOf("a"), Reason: "Odd", Message: fmt.Sprint(version)}
			w.Set("compile", map[discovery.ObjectID][]discovery.Problem{idOf("a"): {problem}})
			o.watch.Modify(policyObject("a", 1, version))
			select {
			case <-news.C:
			case <-ctx.Done():
			}
			synctest.Wait()
		}
		<-done
		for i := 1; i < len(o.wrote); i++ {
			if wait := o.wrote[i].Sub(o.wrote[i-1]); wait < DefaultSettle {
				t.Errorf("attempt %d came after %s", i+1, wait)
			}
		}
		if len(o.wrote) < 5 {
			t.Errorf("%d attempts in a minute", len(o.wrote))
		}
	})
}

// What is gone is not written to, whatever is learnt of it; that it is there again is seen by the watch.
func TestObjectsThatAreGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone := apierrors.NewNotFound(schema.GroupResource{Resource: "authenticationpolicies"}, "a")
		o := &office{answer: func(n int) error {
			if n == 1 {
				return gone
			}
			return nil
		}}
		w := o.writer(t, "a")
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
		defer cancel()
		go newTerm(w).run(ctx)
		pass(t, time.Minute)
		w.Set("compile", map[discovery.ObjectID][]discovery.Problem{idOf("a"): {{Object: idOf("a"), Reason: "Odd", Message: "odd"}}})
		pass(t, time.Minute)
		if o.attempts() != 1 {
			t.Errorf("%d attempts while it is gone, want 1", o.attempts())
		}
		again := policyObject("a", 1, 101)
		again.SetUID("another")
		o.watch.Add(again)
		pass(t, 30*time.Second)
		if o.attempts() != 2 || w.Writes() != 1 {
			t.Errorf("%d attempts, %d writes once it is there again, want 2 and 1", o.attempts(), w.Writes())
		}
		cancel()
		synctest.Wait()
	})
}

func TestNothingIsWrittenBeforeAllIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &office{answer: func(int) error { return nil }}
		w := o.writer(t, "a")
		ready := make(chan struct{})
		w.config.Ready = ready
		lead(t, w, time.Minute)
		if o.attempts() != 0 {
			t.Fatalf("%d writes before all is known", o.attempts())
		}
		close(ready)
		lead(t, w, time.Minute)
		if o.attempts() != 1 {
			t.Errorf("%d writes after it, want 1", o.attempts())
		}
	})
}

// What another replica has written is as good as what this one would.
func TestEqualStatusIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &office{answer: func(int) error { return nil }}
		w := o.writer(t, "a")
		ctx, cancel := context.WithCancel(t.Context())
		ready := make(chan struct{})
		w.config.Ready = ready
		done := make(chan struct{})
		go func() {
			defer close(done)
			newTerm(w).run(ctx)
		}()
		synctest.Wait()
		object := policyObject("a", 1, 101)
		must(t, unstructured.SetNestedSlice(object.Object, []any{map[string]any{
			"type": "Accepted", "status": "True", "reason": "Accepted", "message": "the object is in use",
			"observedGeneration": int64(1), "lastTransitionTime": "2020-01-01T00:00:00Z",
		}}, "status", "conditions"))
		o.watch.Modify(object)
		synctest.Wait()
		close(ready)
		synctest.Wait()
		if o.attempts() != 0 {
			t.Errorf("%d writes of what stands there", o.attempts())
		}
		cancel()
		<-done
	})
}

func TestBadWriterConfig(t *testing.T) {
	if _, err := NewWriter(WriterConfig{}); err == nil {
		t.Error("an empty config was taken")
	}
	if _, err := New(Config{}); err == nil {
		t.Error("an empty config was taken")
	}
}
