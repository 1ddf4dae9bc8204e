package kube

import (
	"context"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"outrigger.dev/outrigger/internal/conns"
)

// partHeartbeat is the part of the troubles that the heartbeat finds.
const partHeartbeat = "heartbeat"

// heartbeat asks the API server who it is, again and again.
type heartbeat struct {
	client   *client
	guard    *guard
	counters *counters
	clock    func() time.Time
	// watchers are those of all kinds, by name.
	watchers map[string]*watcher
}

func (h *heartbeat) run(ctx context.Context) error {
	return conns.Heartbeat{Ask: h.ask, Take: h.take, Dialer: h.client.dialer}.Run(ctx)
}

func (h *heartbeat) ask(ctx context.Context) error { return h.guard.identify(ctx, h.client) }

// take notes what came of a question.
func (h *heartbeat) take(ctx context.Context, err error) conns.Answer {
	switch {
	case err == nil:
		if h.guard.end(partHeartbeat) {
			h.counters.heard(h.clock())
		}
		h.lookAtOlder(ctx)
		return conns.Good
	case throttled(err):
		h.counters.throttled.Add(1)
		return conns.Good
	}
	h.counters.errors.Add(1)
	h.guard.begin(partHeartbeat, err)
	if errors.Is(classify(err), ErrUnreachable) {
		return conns.Silent
	}
	return conns.Bad
}

// lookAtOlder asks whether kinds whose versions went back have caught up.
func (h *heartbeat) lookAtOlder(ctx context.Context) {
	for _, part := range h.guard.olderParts() {
		w := h.watchers[part]
		list := w.sink.list()
		if err := h.client.page(ctx, w.of, list, metav1.ListOptions{Limit: 1}); err != nil {
			continue
		}
		page, err := meta.ListAccessor(list)
		if err != nil {
			continue
		}
		h.world().mu.Lock()
		h.guard.advance(part, page.GetResourceVersion())
		h.world().mu.Unlock()
	}
	h.guard.expire()
}

func (h *heartbeat) world() *world { return h.guard.world }
