package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// watching are the metrics of sources that watch a registry.
type watching struct {
	read, lag, connections, wakes, resets, errors *prometheus.Desc
	held, freed, deadSeconds, rereads             *prometheus.Desc
}

func newWatching() watching {
	return watching{
		read:        desc("outrigger_source_read_age_seconds", "Time since the registry was last heard in good order.", "source"),
		lag:         desc("outrigger_source_lag_seconds", "How long the last change had been in the registry before it was read.", "source"),
		connections: desc("outrigger_source_connections", "Open connections to the registry.", "source"),
		wakes:       desc("outrigger_source_wakes_total", "Answers of watches, by whether anything had changed.", "source", "result"),
		resets:      desc("outrigger_source_resets_total", "Watches that had to begin anew.", "source"),
		errors:      desc("outrigger_source_errors_total", "Answers that failed, by kind; throttled is for those that asked to come later.", "source", "kind"),
		held:        desc("outrigger_source_held", "What is served although the source says that it is gone, by kind.", "source", "kind"),
		freed: desc("outrigger_source_held_ended_total",
			"Endpoints that were held, by how that ended: saved ones came back, dead ones were gone.", "source", "end"),
		deadSeconds: desc("outrigger_source_dead_endpoint_seconds_total", "For how long dead endpoints were served, together.", "source"),
		rereads:     desc("outrigger_source_confirmations_total", "Second reads of what went in masses, by result.", "source", "result"),
	}
}

func (w *watching) describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		w.read, w.lag, w.connections, w.wakes, w.resets, w.errors, w.held, w.freed, w.deadSeconds, w.rereads,
	} {
		out <- d
	}
}

func (w *watching) collect(out chan<- prometheus.Metric, source Source, now time.Time) {
	name := source.ID.String()
	if s := source.Watching; s != nil {
		if !s.ReadAt.IsZero() {
			gauge(out, w.read, now.Sub(s.ReadAt).Seconds(), name)
		}
		gauge(out, w.lag, s.Lag.Seconds(), name)
		gauge(out, w.connections, float64(s.Connections), name)
		counter(out, w.wakes, float64(s.Wakes-min(s.Wakes, s.IdleWakes)), name, "changed")
		counter(out, w.wakes, float64(s.IdleWakes), name, "idle")
		counter(out, w.resets, float64(s.Resets), name)
		counter(out, w.errors, float64(s.Errors-min(s.Errors, s.Throttled)), name, "failed")
		counter(out, w.errors, float64(s.Throttled), name, "throttled")
	}
	if h := source.Held; h != nil {
		gauge(out, w.held, float64(h.Endpoints), name, "endpoints")
		gauge(out, w.held, float64(h.Workloads), name, "workloads")
		gauge(out, w.held, float64(h.Nodes), name, "nodes")
		gauge(out, w.held, float64(h.Namespaces), name, "namespaces")
		gauge(out, w.held, float64(h.Policies), name, "policies")
		counter(out, w.freed, float64(h.Saved), name, "saved")
		counter(out, w.freed, float64(h.Dead), name, "dead")
		counter(out, w.deadSeconds, h.DeadFor.Seconds(), name)
		counter(out, w.rereads, float64(h.Confirmed), name, "confirmed")
		counter(out, w.rereads, float64(h.Contradicted), name, "contradicted")
		counter(out, w.rereads, float64(h.Failed), name, "failed")
	}
}

func counter(out chan<- prometheus.Metric, d *prometheus.Desc, value float64, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, value, labels...)
}
