package kube

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// watchLimit is how long a watch lasts at least before the server ends it; at most it is twice as long.
	watchLimit = 5 * time.Minute
	// watchMargin is how much earlier than asked an end still counts as that of the server's own will.
	watchMargin = 2 * time.Second
	// streamIdle is how long nothing may come while a full state is streamed.
	streamIdle = 20 * time.Second
	// absentPause is the time between two looks for a kind that the cluster does not know, or that may not be read.
	absentPause = 10 * time.Second
	// retryFirst and retryLast are the pauses after failures.
	retryFirst, retryLast = 100 * time.Millisecond, 3 * time.Second
)

var (
	// errAbsent says that the cluster never knew an optional kind.
	errAbsent = errors.New("the cluster does not know the kind")
	// errNoRight says that an auxiliary kind may not be read.
	errNoRight = errors.New("the kind may not be read")
)

// watcher reads one kind for as long as it runs: all of it, then what changes,
// and all of it again after every watch that did not end as it should.
type watcher struct {
	of       resource
	sink     sink
	client   *client
	guard    *guard
	world    *world
	counters *counters
	clock    func() time.Time
	// listing says that the server does not stream a full state.
	listing bool
	// present says that the kind was read once.
	present bool
	// believed is when the last attempt came so far that what it had read counted; zero: it did not.
	believed time.Time
	// unwatched says that the last watch could not be opened. Then a full state counts only with its watch: by itself it would end the
	// trouble again and again.
	unwatched bool
}

// run returns when ctx ends, with its error.
func (w *watcher) run(ctx context.Context) error {
	pause := retryFirst
	for {
		w.believed = time.Time{}
		err := w.attempt(ctx)
		if w.of.auxiliary && errors.Is(classify(err), ErrDenied) {
			err = w.denied(ctx, err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		w.note(err)
		wait := jitter(pause)
		switch {
		case errors.Is(err, errAbsent), errors.Is(err, errNoRight):
			wait = absentPause
		case w.lasted():
			pause, wait = retryFirst, jitter(retryFirst)
		default:
			pause = min(2*pause, retryLast)
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// lasted reports whether the last attempt went well for a time. One that failed right behind its full state is tried again as slowly
// as one that never had it.
func (w *watcher) lasted() bool {
	return !w.believed.IsZero() && w.clock().Sub(w.believed) >= retryLast
}

func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d/2+1) }

// sleep waits, and returns the error of ctx if that ends before.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// note counts why an attempt ended, and tells the trouble.
func (w *watcher) note(err error) {
	if !w.believed.IsZero() {
		w.counters.resets.Add(1)
	}
	switch {
	case errors.Is(err, errAbsent), errors.Is(err, errNoRight), expired(err):
		return
	case throttled(err):
		w.counters.throttled.Add(1)
	}
	w.counters.errors.Add(1)
	w.guard.begin(w.of.name, err)
}

// attempt reads everything, and follows what changes until it must begin anew.
func (w *watcher) attempt(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w.sink.begin()
	version, stream, err := w.readAll(ctx)
	if err == nil && stream.Interface == nil && w.unwatched {
		stream, err = w.openAt(ctx, version)
	}
	if err == nil {
		err = w.verify(ctx)
	}
	if err != nil {
		stream.stop()
		return w.failed(ctx, err)
	}
	w.believe(version)
	for {
		if stream.Interface == nil {
			if stream, err = w.openAt(ctx, version); err != nil {
				return err
			}
			if err := w.guard.identify(ctx, w.client); err != nil {
				stream.stop()
				return err
			}
		}
		if version, err = w.follow(ctx, stream, version); err != nil {
			return err
		}
		stream = openWatch{}
	}
}

// failed tells a kind that the cluster never knew, which is a state of its own, from failures.
func (w *watcher) failed(ctx context.Context, err error) error {
	if !w.of.optional || w.present || !errors.Is(classify(err), ErrMissing) {
		return err
	}
	if err := w.guard.identify(ctx, w.client); err != nil {
		return err
	}
	w.world.mu.Lock()
	defer w.world.mu.Unlock()
	w.without()
	return errAbsent
}

// denied goes on without an auxiliary kind, with what was known of it: that no right was given is no doubt about the rest.
func (w *watcher) denied(ctx context.Context, err error) error {
	if w.guard.identify(ctx, w.client) != nil {
		return err
	}
	w.world.mu.Lock()
	defer w.world.mu.Unlock()
	w.world.deny(w.of.name, true)
	w.without()
	return errNoRight
}

// without ends the trouble of a kind that is not read; one that never was is empty. The world is locked.
func (w *watcher) without() {
	if !w.present {
		w.sink.begin()
		w.sink.replace()
	}
	w.world.trouble.end(w.of.name)
	w.world.wakeUp()
}

// verify asks whether what was read is that of the cluster, and the kind is there to stay.
func (w *watcher) verify(ctx context.Context) error {
	if err := w.guard.identify(ctx, w.client); err != nil {
		return err
	}
	if !w.of.optional {
		return nil
	}
	_, err := w.client.defined(ctx, w.of)
	return err
}

// believe puts the full state in, together with the trouble that it is in.
func (w *watcher) believe(version string) {
	w.world.mu.Lock()
	defer w.world.mu.Unlock()
	w.guard.judge(w.of.name, version)
	w.world.reading = time.Time{}
	w.sink.replace()
	w.present, w.believed = true, w.clock()
	if w.of.auxiliary {
		w.world.deny(w.of.name, false)
	}
	w.heard()
	w.world.wakeUp()
}

// openAt opens a watch that goes on from a version.
func (w *watcher) openAt(ctx context.Context, version string) (openWatch, error) {
	stream, err := w.open(ctx, metav1.ListOptions{ResourceVersion: version})
	w.unwatched = err != nil
	return stream, err
}

func (w *watcher) open(ctx context.Context, options metav1.ListOptions) (openWatch, error) {
	limit := watchLimit + rand.N(watchLimit)
	until := w.clock().Add(limit - watchMargin)
	stream, err := w.client.watch(ctx, w.of, options, limit)
	stream.until = until
	return stream, err
}
