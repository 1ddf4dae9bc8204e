package kube

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy/compile"
)

// rig is the loop of a run with events from a test.
type rig struct {
	t      *testing.T
	events chan event
	out    chan compile.Update
	stats  stats
}

// start runs a loop until the test ends; it is for a bubble.
func start(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, events: make(chan event), out: make(chan compile.Update)}
	run := newRun(Config{Logger: discard(), Clock: time.Now}, discovery.SourceID{Kind: "kubernetes", Name: "k"}, &r.stats)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- run.loop(ctx, r.events, r.out) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("the loop ended with %v", err)
		}
	})
	return r
}

func (r *rig) full(kind kind, version int64, names ...string) {
	e := event{kind: kind, what: full, version: fmt.Sprint(version)}
	for i, name := range names {
		e.objects = append(e.objects, policyObject(name, 1, int64(i+1)))
	}
	r.events <- e
}

func (r *rig) fail(kind kind, err error) { r.events <- event{kind: kind, what: failed, err: err} }

// next is the next update in short: s for synced, the trouble, the objects and whether they are there.
func (r *rig) next() string {
	synctest.Wait()
	select {
	case update := <-r.out:
		var words []string
		if update.Synced {
			words = append(words, "synced")
		}
		if update.Trouble != nil {
			words = append(words, "trouble: "+update.Trouble.Error())
		}
		for _, name := range []string{"a", "b"} {
			object, told := update.Objects.AuthenticationPolicies[discovery.ObjectID{
				Kind: authenticationPolicy.name, Namespace: "shop", Name: name,
			}]
			if told {
				words = append(words, fmt.Sprintf("%s %t", name, object != nil))
			}
		}
		return strings.Join(words, ", ")
	default:
		return "nothing"
	}
}

func (r *rig) demand(want string) {
	r.t.Helper()
	if got := r.next(); got != want {
		r.t.Errorf("told is %q, want %q", got, want)
	}
}

func TestSyncedWhenEveryKindIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t)
		r.full(authenticationPolicy, 10, "a")
		r.fail(proxyConfig, fmt.Errorf("watch: %w", errNotInstalled))
		r.demand("nothing")
		r.fail(meshConfig, errors.New("no route"))
		r.demand("trouble: no route")
		r.full(meshConfig, 11)
		r.demand("synced, a true")
		r.demand("nothing")
		r.full(proxyConfig, 12)
		r.demand("nothing")
	})
}

// Between nothing and a kind that is served there are moments that are no trouble.
func TestKindIsBeingInstalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t)
		unserved := apierrors.NewNotFound(authenticationPolicy.resource().GroupResource(), "")
		r.full(meshConfig, 10)
		r.full(proxyConfig, 10)
		r.fail(authenticationPolicy, unserved)
		r.demand("trouble: " + unserved.Error())
		r.fail(authenticationPolicy, errNotInstalled)
		r.demand("synced")
		r.fail(authenticationPolicy, unserved)
		r.fail(authenticationPolicy, errBeingDeleted)
		r.demand("nothing")
		r.full(authenticationPolicy, 11, "a")
		r.demand("a true")
		r.fail(authenticationPolicy, errNotInstalled)
		r.demand("trouble: " + errNotInstalled.Error())
	})
}

// A reader who was busy hears of the trouble before it hears of what came of it.
func TestTroubleIsToldFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t)
		for _, kind := range []kind{meshConfig, proxyConfig} {
			r.full(kind, 10)
		}
		r.full(authenticationPolicy, 10, "a", "b")
		r.demand("synced, a true, b true")
		r.fail(authenticationPolicy, errors.New("no route"))
		r.full(authenticationPolicy, 12, "b")
		r.demand("trouble: no route")
		r.demand("a false")
		r.demand("nothing")
	})
}

func TestOlderStateIsTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t)
		for _, kind := range []kind{meshConfig, proxyConfig} {
			r.full(kind, 10)
		}
		r.full(authenticationPolicy, 10, "a")
		r.demand("synced, a true")
		r.events <- event{kind: authenticationPolicy, what: heard, version: "50"}
		r.full(authenticationPolicy, 40)
		older := "trouble: AuthenticationPolicy: the API server came back with an older state: it was at resource version 50"
		r.demand(older)
		r.demand(older + ", a false")
		r.full(authenticationPolicy, 41, "b")
		r.demand(older + ", b true")
		r.events <- event{kind: authenticationPolicy, what: heard, version: "49"}
		r.demand("nothing")
		r.events <- event{kind: authenticationPolicy, what: heard, version: "50"}
		r.demand("")

		r.full(authenticationPolicy, 30, "b")
		r.demand(older)
		pass(t, olderLimit-time.Second)
		r.demand("nothing")
		pass(t, time.Second)
		r.demand("")
		r.full(authenticationPolicy, 31, "b")
		r.demand("nothing")
	})
}

// pass lets time pass in a bubble.
func pass(t *testing.T, d time.Duration) {
	t.Helper()
	timer := time.NewTimer(d)
	<-timer.C
}

func TestTroubleIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t)
		for _, kind := range policyKinds() {
			r.full(kind, 10)
		}
		r.demand("synced")
		r.fail(meshConfig, errors.New("read tcp 10.0.0.1:40001: reset"))
		r.demand("trouble: read tcp 10.0.0.1:40001: reset")
		r.fail(meshConfig, errors.New("read tcp 10.0.0.1:40002: reset"))
		r.demand("nothing")
		r.fail(meshConfig, apierrors.NewUnauthorized("the token is old"))
		r.demand("trouble: the token is old")
		r.fail(authenticationPolicy, apierrors.NewTooManyRequestsError("later"))
		r.demand("trouble: Too many requests: later\nthe token is old")
		r.full(meshConfig, 11)
		r.full(authenticationPolicy, 11)
		r.demand("")
		if stats := r.stats.get(); stats.Errors != 4 || stats.Throttled != 1 || stats.Resets != 2 {
			t.Errorf("the stats are %+v", stats)
		}
	})
}

// An update names when the first of its changes was read.
func TestReadAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t)
		for _, kind := range policyKinds() {
			r.full(kind, 10)
		}
		r.demand("synced")
		begun := time.Now()
		for i := range 3 {
			object := policyObject("a", int64(i+2), int64(i+20))
			r.events <- event{kind: authenticationPolicy, what: changed, objects: []*unstructured.Unstructured{object}}
			pass(t, time.Second)
		}
		if update := <-r.out; !update.ReadAt.Equal(begun) {
			t.Errorf("it was read %s after the first change", update.ReadAt.Sub(begun))
		}
	})
}
