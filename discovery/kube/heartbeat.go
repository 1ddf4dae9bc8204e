package kube

import (
	"context"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// beat is the time between two questions to the API server. A server that
	// hangs is noticed after beat and requestTimeout at the latest: 10 s.
	beat = 5 * time.Second
	// beatAgain is the time until the next question after a bad answer.
	beatAgain = time.Second
	// partHeartbeat is the part of the troubles that the heartbeat finds.
	partHeartbeat = "heartbeat"
	// cutAfter is how many beats go unanswered before the connections are cut.
	cutAfter = 2
)

// heartbeat asks the API server who it is, again and again: a watch that hangs
// looks like one in which nothing happens.
type heartbeat struct {
	client   *client
	guard    *guard
	counters *counters
	clock    func() time.Time
	// watchers are those of all kinds, by name.
	watchers map[string]*watcher
	missed   int
}

func (h *heartbeat) run(ctx context.Context) error {
	for {
		pause := beat
		if !h.ask(ctx) {
			pause = beatAgain
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// ask asks once, and reports whether the answer was as it should be.
func (h *heartbeat) ask(ctx context.Context) bool {
	err := h.guard.identify(ctx, h.client)
	switch {
	case ctx.Err() != nil:
		return false
	case err == nil:
		h.missed = 0
		if h.guard.end(partHeartbeat) {
			h.counters.heard(h.clock())
		}
		h.lookAtOlder(ctx)
		return true
	case throttled(err):
		h.counters.throttled.Add(1)
		return true
	}
	h.counters.errors.Add(1)
	h.guard.begin(partHeartbeat, err)
	if !errors.Is(classify(err), ErrUnreachable) {
		return false
	}
	if h.missed++; h.missed >= cutAfter {
		h.missed = 0
		h.client.dialer.Cut()
	}
	return false
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
