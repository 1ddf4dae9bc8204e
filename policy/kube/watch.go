package kube

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
)

const (
	// fullLimit bounds how long a full state may take, silenceLimit how long an API server may say nothing: it sends a
	// bookmark about every minute.
	fullLimit    = time.Minute
	silenceLimit = 5 * time.Minute

	firstRetry = 200 * time.Millisecond
)

// what says what an event tells of a kind.
type what uint8

const (
	// full: the objects are all that there are.
	full what = iota
	// changed: the objects are new, or others than before.
	changed
	// gone: the objects are no more.
	gone
	// heard: the API server is there and has no news.
	heard
	// failed: the kind could not be read or watched, for the reason err; or the API server did not answer as it should.
	failed
	// answered: the API server says that it is the one that it was.
	answered
)

// event is what a watcher tells its owner.
type event struct {
	kind    kind
	what    what
	objects []*unstructured.Unstructured
	// version is the resource version that the objects are of, empty when it is not known.
	version string
	err     error
}

// watcher follows one kind. Each of its watches begins with the full state, so that there is nothing to resume
// wrongly: policies are few.
type watcher struct {
	kind   kind
	client dynamic.Interface
	// same is asked before a full state is told, check before anything is told that may be missing; an error says that it is not
	// to be believed. Both may be nil.
	same  func(context.Context) error
	check func(context.Context, kind) error
	// events is where the watcher tells.
	events chan<- event
	// retry is the longest wait between two attempts.
	retry time.Duration
	// list says that the API server does not send the full state by watches.
	list bool
}

// run follows the kind until ctx ends.
func (w *watcher) run(ctx context.Context) error {
	wait := firstRetry
	for {
		begun := time.Now()
		err := w.session(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			w.tell(ctx, event{what: failed, err: err})
		}
		if time.Since(begun) > w.retry {
			wait = firstRetry
		}
		if err := pause(ctx, wait); err != nil {
			return err
		}
		wait = min(2*wait, w.retry)
	}
}

// pause waits for about that long, so that replicas do not come in step.
func pause(ctx context.Context, about time.Duration) error {
	timer := time.NewTimer(about/2 + rand.N(about/2+1))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// session is one watch, from the full state to its end. That a watch ends is in order; the error says why one could
// not begin, or broke.
func (w *watcher) session(ctx context.Context) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	guard := time.AfterFunc(fullLimit, func() { end(fmt.Errorf("the API server did not give the full state within %s", fullLimit)) })
	defer guard.Stop()

	stream, err := w.open(ctx)
	if err != nil {
		return w.explain(ctx, err)
	}
	defer drain(stream)
	state, err := w.full(ctx, stream)
	if err == nil && w.same != nil {
		err = w.same(ctx)
	}
	if err == nil {
		err = w.believe(ctx)
	}
	if err != nil {
		return w.explain(ctx, err)
	}
	w.tell(ctx, state)
	// A silent watch is begun anew; what is wrong, if anything, is found then.
	guard.Stop()
	silence := time.AfterFunc(silenceLimit, func() { end(nil) })
	defer silence.Stop()
	err = w.follow(ctx, stream, func() { silence.Reset(silenceLimit) })
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// drain ends a watch and waits for its goroutine.
func drain(stream watch.Interface) {
	stream.Stop()
	for range stream.ResultChan() {
	}
}

func (w *watcher) tell(ctx context.Context, e event) {
	e.kind = w.kind
	select {
	case <-ctx.Done():
	case w.events <- e:
	}
}

// believe asks whether what is missing may be told.
func (w *watcher) believe(ctx context.Context) error {
	if w.check == nil {
		return nil
	}
	return w.check(ctx, w.kind)
}

// explain returns why a watch could not begin. An unknown path may be a definition that is gone, or one that the API server
// does not serve yet.
func (w *watcher) explain(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return fmt.Errorf("watch %s: %w", w.kind.plural, cause)
	}
	if apierrors.IsNotFound(err) {
		if checked := w.believe(ctx); checked != nil {
			err = checked
		}
	}
	return fmt.Errorf("watch %s: %w", w.kind.plural, err)
}
