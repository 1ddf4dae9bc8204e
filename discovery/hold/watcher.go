package hold

import (
	"log/slog"

	"outrigger.dev/outrigger/discovery"
)

// watcher logs when a hold begins, ends or has another reason, and tells the observer.
type watcher struct {
	id       discovery.SourceID
	logger   *slog.Logger
	observer Observer
	reason   Reason
}

// holder is what a watcher looks at.
type holder interface {
	Status() Status
	reason() Reason
}

func (w *watcher) look(h holder) {
	reason := h.reason()
	if reason == w.reason {
		return
	}
	w.reason = reason
	s := h.Status()
	if w.observer != nil {
		w.observer.Held(s)
	}
	logger := w.logger.With("source", w.id.String(), "saved", s.Counts.Saved, "dead", s.Counts.Dead)
	if reason == "" {
		logger.Info("nothing is held any more")
		return
	}
	if s.Trouble != nil {
		logger = logger.With("trouble", s.Trouble)
	}
	logger.Warn("what is missing is held", "reason", string(reason), "endpoints", s.Endpoints,
		"services", len(s.Services), "workloads", s.Workloads, "nodes", s.Nodes, "namespaces", s.Namespaces, "policies", len(s.Policies))
}

// reread logs a second read that could not be had.
func (w *watcher) reread(what string, err error) {
	if err != nil {
		w.logger.Warn("what is missing could not be read a second time", "source", w.id.String(), "object", what, "error", err)
	}
}
