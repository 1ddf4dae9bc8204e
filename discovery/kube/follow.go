package kube

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/watch"
)

// follow takes events until the watch ends. It returns the version to go on
// from, and an error when there is no going on.
func (w *watcher) follow(ctx context.Context, stream openWatch, version string) (string, error) {
	defer stream.stop()
	for {
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case event, open := <-stream.ResultChan():
			if !open {
				return version, w.ended(stream)
			}
			next, err := w.take(ctx, event)
			if err != nil {
				return "", err
			}
			version = next
		}
	}
}

// ended returns nil for a watch that the server ended when it was to. Of any other end nobody knows what it means.
func (w *watcher) ended(stream openWatch) error {
	if w.clock().Before(stream.until) {
		return fmt.Errorf("watch %s: ended before its time: %w", w.of.name, ErrUnreachable)
	}
	return nil
}

// take puts an event in and returns its version.
func (w *watcher) take(ctx context.Context, event watch.Event) (string, error) {
	if event.Type == watch.Error {
		return "", w.failure(event)
	}
	object, err := meta.Accessor(event.Object)
	if err != nil {
		return "", fmt.Errorf("watch %s: an event cannot be read: %w: %w", w.of.name, ErrFailing, err)
	}
	gone := event.Type == watch.Deleted
	if gone && w.of.optional {
		// Before a kind goes, the server deletes all objects of it.
		if _, err := w.client.defined(ctx, w.of); err != nil {
			return "", err
		}
	}
	version := object.GetResourceVersion()
	if event.Type == watch.Bookmark {
		w.world.mu.Lock()
		defer w.world.mu.Unlock()
		w.guard.advance(w.of.name, version)
		w.heard()
		return version, nil
	}
	w.sink.event(event.Object, gone)
	w.apply(version)
	return version, nil
}

// apply puts the event that the sink has read in.
func (w *watcher) apply(version string) {
	w.world.mu.Lock()
	defer w.world.mu.Unlock()
	w.world.reading = w.clock()
	w.counters.wakes.Add(1)
	if w.sink.apply() {
		w.world.wakeUp()
	} else {
		w.counters.idleWakes.Add(1)
	}
	w.guard.advance(w.of.name, version)
	w.heard()
}

// heard notes how fresh everything is. The world is locked.
func (w *watcher) heard() {
	if w.world.trouble.none() {
		w.counters.heard(w.clock())
	}
}
