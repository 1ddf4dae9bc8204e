package kube

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
)

// open begins a watch: one that starts with the full state where the API server has that, else one after a list.
func (w *watcher) open(ctx context.Context) (watch.Interface, error) {
	resource := w.client.Resource(w.kind.resource())
	if !w.list {
		initial := true
		stream, err := resource.Watch(ctx, metav1.ListOptions{
			AllowWatchBookmarks: true, SendInitialEvents: &initial,
			ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan,
		})
		if err == nil || !apierrors.IsInvalid(err) {
			return stream, err
		}
		w.list = true
	}
	return w.openListed(ctx, resource)
}

// openListed lists, and gives the objects of the list as the first events of a watch.
func (w *watcher) openListed(ctx context.Context, resource dynamic.ResourceInterface) (watch.Interface, error) {
	list, err := resource.List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	stream, err := resource.Watch(ctx, metav1.ListOptions{AllowWatchBookmarks: true, ResourceVersion: list.GetResourceVersion()})
	if err != nil {
		return nil, err
	}
	return &listed{Interface: stream, list: list}, nil
}

// listed is a watch after a list.
type listed struct {
	watch.Interface
	list *unstructured.UnstructuredList
}

// full reads the full state, which ends with a bookmark that says so.
func (w *watcher) full(ctx context.Context, stream watch.Interface) (event, error) {
	if after, ok := stream.(*listed); ok {
		state := event{what: full, version: after.list.GetResourceVersion()}
		for i := range after.list.Items {
			state.objects = append(state.objects, trim(&after.list.Items[i]))
		}
		return state, nil
	}
	state := event{what: full}
	for {
		next, object, err := receive(ctx, stream)
		if err != nil {
			return event{}, err
		}
		switch {
		case next == watch.Bookmark && object.GetAnnotations()[metav1.InitialEventsAnnotationKey] == "true":
			state.version = object.GetResourceVersion()
			return state, nil
		case next == watch.Added:
			state.objects = append(state.objects, trim(object))
		}
	}
}

var errEnded = errors.New("the watch ended before the full state was there")

// follow tells what happens until the watch ends.
func (w *watcher) follow(ctx context.Context, stream watch.Interface, alive func()) error {
	for {
		next, object, err := receive(ctx, stream)
		switch {
		case errors.Is(err, errEnded), apierrors.IsResourceExpired(err), apierrors.IsGone(err):
			return nil
		case err != nil:
			return fmt.Errorf("watch %s: %w", w.kind.plural, err)
		}
		alive()
		e := event{version: object.GetResourceVersion(), objects: []*unstructured.Unstructured{trim(object)}}
		switch next {
		case watch.Added, watch.Modified:
			e.what = changed
		case watch.Deleted:
			e.what = gone
			if err := w.believe(ctx); err != nil {
				return fmt.Errorf("watch %s: %w", w.kind.plural, err)
			}
		default:
			e.what, e.objects = heard, nil
		}
		w.tell(ctx, e)
	}
}

// receive waits for the next event of a watch.
func receive(ctx context.Context, stream watch.Interface) (watch.EventType, *unstructured.Unstructured, error) {
	select {
	case <-ctx.Done():
		return "", nil, context.Cause(ctx)
	case next, open := <-stream.ResultChan():
		if !open {
			return "", nil, errEnded
		}
		if next.Type == watch.Error {
			return "", nil, apierrors.FromObject(next.Object)
		}
		object, ok := next.Object.(*unstructured.Unstructured)
		if !ok {
			return "", nil, fmt.Errorf("unexpected object %T in a watch", next.Object)
		}
		return next.Type, object, nil
	}
}

// trim drops what only costs memory.
func trim(object *unstructured.Unstructured) *unstructured.Unstructured {
	object.SetManagedFields(nil)
	object.SetAnnotations(nil)
	return object
}
