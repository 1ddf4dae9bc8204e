package serve

import (
	"fmt"
	"strings"

	"outrigger.dev/outrigger/cmd/outrigger/internal/metrics"
	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/discovery/hold"
	"outrigger.dev/outrigger/xds/debug"
)

// forMetrics is what the metrics show.
func (w *watch) forMetrics() []metrics.Source {
	all := w.all()
	shown := make([]metrics.Source, len(all))
	for i, s := range all {
		shown[i] = metrics.Source{ID: s.id, Synced: s.synced, Updated: s.updated, Trouble: s.troubled}
		if s.stats != nil {
			stats := s.stats()
			shown[i].Watching = &stats
		}
		if s.held != nil {
			h := s.held()
			shown[i].Held = &metrics.Held{
				Endpoints: h.Endpoints, Workloads: h.Workloads, Nodes: h.Nodes, Namespaces: h.Namespaces, Policies: len(h.Policies),
				Saved: h.Counts.Saved, Dead: h.Counts.Dead, DeadFor: h.Counts.DeadFor,
				Confirmed: h.Counts.Confirmed, Contradicted: h.Counts.Contradicted, Failed: h.Counts.Failed,
			}
		}
	}
	return shown
}

// forDebug is what the debug socket shows.
func (w *watch) forDebug() []debug.Source {
	all := w.all()
	shown := make([]debug.Source, len(all))
	for i, s := range all {
		shown[i] = debug.Source{Name: s.id.String(), Synced: s.synced, Updated: s.updated, Troubled: s.troubled}
		if s.trouble != nil {
			shown[i].Trouble = s.trouble.Error()
		}
		if s.stats != nil {
			shown[i].Watching = shownStats(s.stats())
		}
		if s.held != nil {
			shown[i].Held = shownHeld(s.held())
		}
	}
	return shown
}

func shownStats(s discovery.Stats) *debug.Watching {
	return &debug.Watching{
		ReadAt: s.ReadAt, LagSeconds: s.Lag.Seconds(), Wakes: s.Wakes, IdleWakes: s.IdleWakes, Resets: s.Resets,
		Throttled: s.Throttled, Errors: s.Errors, Connections: s.Connections,
	}
}

func shownHeld(h hold.Status) *debug.Held {
	shown := &debug.Held{
		Reason: string(h.Reason), Since: h.Since, LastGood: h.LastGood, Endpoints: h.Endpoints, Total: h.Total,
		Workloads: h.Workloads, Nodes: h.Nodes, Namespaces: h.Namespaces, Saved: h.Counts.Saved, Dead: h.Counts.Dead,
		Confirmed: h.Counts.Confirmed, Contradicted: h.Counts.Contradicted,
	}
	for _, s := range h.Services {
		shown.Services = append(shown.Services, debug.HeldService{
			Name: s.ID.String(), Endpoints: s.Endpoints, Total: s.Total, Gone: s.Gone, Since: s.Since,
		})
	}
	for _, id := range h.Policies {
		shown.Policies = append(shown.Policies, id.String())
	}
	return shown
}

// trouble says in a sentence for each source what is wrong with it and what is held; empty: nothing.
func (w *watch) trouble() string {
	var wrong []string
	for _, s := range w.all() {
		var parts []string
		if s.trouble != nil {
			parts = append(parts, s.trouble.Error())
		}
		if s.held != nil {
			if h := s.held(); h.Holding() {
				parts = append(parts, fmt.Sprintf("held: %d of %d endpoints, %d workloads, %d policies (%s)",
					h.Endpoints, h.Total, h.Workloads, len(h.Policies), h.Reason))
			}
		}
		if len(parts) > 0 {
			wrong = append(wrong, s.id.String()+": "+strings.Join(parts, "; "))
		}
	}
	return strings.Join(wrong, "\n")
}
