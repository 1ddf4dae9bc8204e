package kube

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
)

// readAll reads a consistent full state into the sink: as a stream that goes on
// as a watch, or in pages where the server has no such streams.
func (w *watcher) readAll(ctx context.Context) (string, openWatch, error) {
	if !w.listing {
		version, stream, err := w.stream(ctx)
		if !apierrors.IsInvalid(err) && !apierrors.IsBadRequest(err) {
			return version, stream, err
		}
		stream.stop()
		w.listing = true
		w.sink.begin()
	}
	version, err := w.listPages(ctx)
	return version, openWatch{}, err
}

func (w *watcher) stream(ctx context.Context) (string, openWatch, error) {
	initial := true
	stream, err := w.open(ctx, metav1.ListOptions{
		SendInitialEvents: &initial, ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan,
	})
	if err != nil {
		return "", stream, err
	}
	idle := time.NewTimer(streamIdle)
	defer idle.Stop()
	for {
		select {
		case <-ctx.Done():
			return "", stream, ctx.Err()
		case <-idle.C:
			// A server that does not know such streams never says that the state is complete.
			w.listing = true
			return "", stream, fmt.Errorf("watch %s: the full state does not end: %w", w.of.name, ErrFailing)
		case event, open := <-stream.ResultChan():
			if !open {
				return "", stream, fmt.Errorf("watch %s: ended within the full state: %w", w.of.name, ErrUnreachable)
			}
			idle.Reset(streamIdle)
			if version, end, err := w.initial(event); end || err != nil {
				return version, stream, err
			}
		}
	}
}

// initial takes an event of a full state; true says that the state is complete, as of the version.
func (w *watcher) initial(event watch.Event) (string, bool, error) {
	switch event.Type {
	case watch.Added, watch.Modified:
		w.sink.collect(event.Object, false)
	case watch.Deleted:
		w.sink.collect(event.Object, true)
	case watch.Error:
		return "", false, w.failure(event)
	case watch.Bookmark:
		object, err := meta.Accessor(event.Object)
		if err != nil {
			return "", false, fmt.Errorf("watch %s: a bookmark cannot be read: %w: %w", w.of.name, ErrFailing, err)
		}
		return object.GetResourceVersion(), object.GetAnnotations()[metav1.InitialEventsAnnotationKey] == "true", nil
	}
	return "", false, nil
}

func (w *watcher) failure(event watch.Event) error {
	return fmt.Errorf("watch %s: %w", w.of.name, apierrors.FromObject(event.Object))
}

// listPages reads a consistent full state page by page, so that few objects of the API are in memory at a time.
func (w *watcher) listPages(ctx context.Context) (string, error) {
	options := metav1.ListOptions{Limit: pageSize}
	for {
		list := w.sink.list()
		if err := w.client.page(ctx, w.of, list, options); err != nil {
			return "", err
		}
		page, err := meta.ListAccessor(list)
		if err != nil {
			return "", fmt.Errorf("list %s: %w: %w", w.of.name, ErrFailing, err)
		}
		err = meta.EachListItem(list, func(object runtime.Object) error {
			w.sink.collect(object, false)
			return nil
		})
		if err != nil {
			return "", fmt.Errorf("list %s: %w: %w", w.of.name, ErrFailing, err)
		}
		if options.Continue = page.GetContinue(); options.Continue == "" {
			return page.GetResourceVersion(), nil
		}
	}
}
