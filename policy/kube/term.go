package kube

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"outrigger.dev/outrigger/discovery"
)

// term is the time during which this replica writes; the goroutine of run owns everything in it.
type term struct {
	*Writer
	events chan event
	seen   map[discovery.ObjectID]*observed
	// due says when an object is to be looked at; one that is not in it is in order.
	due     map[discovery.ObjectID]time.Time
	limiter *rate.Limiter
	ready   <-chan struct{}
	// failing is the last error, nil when the last write succeeded.
	failing error
}

func newTerm(w *Writer) *term {
	return &term{
		Writer: w, events: make(chan event),
		seen: make(map[discovery.ObjectID]*observed), due: make(map[discovery.ObjectID]time.Time),
		limiter: rate.NewLimiter(rate.Limit(w.config.WritesPerSecond), 1), ready: w.config.Ready,
	}
}

// run writes what differs until ctx ends.
func (t *term) run(ctx context.Context) {
	var watchers sync.WaitGroup
	defer watchers.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, kind := range statusKinds() {
		w := &watcher{kind: kind, client: t.client, events: t.events, retry: t.config.Retry}
		watchers.Go(func() { _ = w.run(ctx) })
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.ready:
			t.ready = nil
		case e := <-t.events:
			t.take(e)
		case <-t.findings.wake:
			t.touch()
		case <-timer.C:
		}
		if t.ready == nil {
			timer.Reset(t.work(ctx))
		}
	}
}

// take takes in what a watcher tells. That a kind cannot be watched is for the Source to tell.
func (t *term) take(e event) {
	now := t.config.Clock()
	if e.what == full {
		t.forget(e)
	}
	for _, object := range e.objects {
		id := e.kind.id(object)
		if e.what == gone {
			delete(t.seen, id)
			delete(t.due, id)
			continue
		}
		t.seen[id] = observe(object, t.seen[id], now)
		t.due[id] = now
	}
}

// forget removes the objects of a kind that are not in its full state, and what is known of the age of the others.
func (t *term) forget(e event) {
	there := make(map[discovery.ObjectID]bool, len(e.objects))
	for _, object := range e.objects {
		there[e.kind.id(object)] = true
	}
	for id, seen := range t.seen {
		// What is there now counts, also where the cluster was set back.
		seen.version = 0
		if id.Kind == e.kind.name && !there[id] {
			delete(t.seen, id)
			delete(t.due, id)
		}
	}
}

// touch notes the objects of which something else is known than before.
func (t *term) touch() {
	now := t.config.Clock()
	for id := range t.findings.news() {
		if t.seen[id] != nil {
			t.due[id] = now
		}
	}
}

// idle is how long to wait when there is nothing to do.
const idle = time.Hour

// work writes onto one object at most, so that news are taken in between, and returns when to come again.
func (t *term) work(ctx context.Context) time.Duration {
	now := t.config.Clock()
	next := idle
	for id, at := range t.due {
		if wait := at.Sub(now); wait > 0 {
			next = min(next, wait)
			continue
		}
		wanted, wait := t.judge(id, now)
		switch {
		case wait > 0:
			t.due[id] = now.Add(wait)
			next = min(next, wait)
		case wanted == nil:
			delete(t.due, id)
		default:
			return t.writeOne(ctx, id, wanted)
		}
	}
	return next
}

// judge returns the conditions to be written, or for how long to wait; neither when the object is in order.
func (t *term) judge(id discovery.ObjectID, now time.Time) ([]metav1.Condition, time.Duration) {
	seen := t.seen[id]
	said := judge(id, seen, t.findings.of(id), now.Sub(seen.since), t.config.Settle)
	if said.wait > 0 || said.wanted == nil {
		return nil, said.wait
	}
	conditions, differ := settled(said.wanted, seen.conditions, metav1.NewTime(now).Rfc3339Copy())
	if !differ {
		return nil, 0
	}
	return conditions, max(0, seen.next.Sub(now))
}

// writeOne writes when the limit on writes allows it, and returns for how long to wait.
func (t *term) writeOne(ctx context.Context, id discovery.ObjectID, wanted []metav1.Condition) time.Duration {
	now := t.config.Clock()
	if reserved := t.limiter.ReserveN(now, 1); reserved.DelayFrom(now) > 0 {
		wait := reserved.DelayFrom(now)
		reserved.CancelAt(now)
		return wait
	}
	delete(t.due, id)
	object, err := t.apply(ctx, id, wanted)
	seen := t.seen[id]
	switch {
	case ctx.Err() != nil:
	case err == nil:
		t.writes.Add(1)
		seen.next, seen.attempts = now.Add(t.config.Settle), 0
		t.seen[id] = observe(object, seen, now)
		t.due[id] = now
	case apierrors.IsNotFound(err):
		// The watch will say when it is there again; until then news of it are of no use.
		delete(t.seen, id)
	default:
		seen.attempts++
		seen.next = now.Add(t.backoff(seen.attempts))
		t.due[id] = seen.next
	}
	t.tell(err)
	return 0
}

// backoff is how long to wait after that many failures.
func (t *term) backoff(attempts int) time.Duration {
	return min(t.config.Settle<<min(attempts-1, 10), t.config.Retry)
}

// tell logs when writing begins to fail, and when it is over.
func (t *term) tell(err error) {
	switch {
	case err == nil && t.failing != nil:
		t.config.Logger.Info("the status of objects can be written again")
	case err != nil && (t.failing == nil || !sameClass(err, t.failing)):
		t.config.Logger.Warn("the status of an object cannot be written, it is tried again", "error", err)
	}
	t.failing = err
}
