package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"outrigger.dev/outrigger/xds/build"
)

// Feed measures xds/feed, from what a source read to the last ACK.
type Feed struct {
	sent        prometheus.Histogram
	propagation prometheus.Histogram
	apply       prometheus.Histogram
	idle        prometheus.Counter
	changed     *prometheus.CounterVec
	work        *prometheus.CounterVec
}

func newFeed() *Feed {
	return &Feed{
		sent: prometheus.NewHistogram(seconds("outrigger_send_seconds",
			"Time from a source's reading of a change until the last proxy that it concerns was sent it.")),
		propagation: prometheus.NewHistogram(seconds("outrigger_propagation_seconds",
			"Time from a source's reading of a change to the ACK of the last proxy that it concerns.")),
		apply: prometheus.NewHistogram(seconds("outrigger_apply_seconds",
			"Time that a batch of changes took to be applied and published.")),
		idle: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "outrigger_wakes_without_change_total", Help: "Batches of which nothing followed for any proxy.",
		}),
		changed: counters("outrigger_resources_changed_total", "Resources published or taken away, by type.", "type"),
		work: counters("outrigger_resolved_total",
			"Records that changes made the core look at again, whether or not anything followed, by kind.", "kind"),
	}
}

func (f *Feed) all() []prometheus.Collector {
	return []prometheus.Collector{f.sent, f.propagation, f.apply, f.idle, f.changed, f.work}
}

// Sent times one change until it was sent.
func (f *Feed) Sent(since time.Duration) { f.sent.Observe(since.Seconds()) }

// Propagated times one change until it was acknowledged.
func (f *Feed) Propagated(since time.Duration) { f.propagation.Observe(since.Seconds()) }

// Applied counts what followed from a batch.
func (f *Feed) Applied(changes build.Changes, took time.Duration) {
	f.apply.Observe(took.Seconds())
	if changes.Empty() {
		f.idle.Inc()
	}
	for i := range changes.Resources {
		f.changed.WithLabelValues(changes.Resources[i].Ref.Type.String()).Inc()
	}
	for kind, n := range map[string]int{
		"port": changes.Work.Ports, "listener": changes.Work.Listeners,
		"workload": changes.Work.Workloads, "egress": changes.Work.Egress,
	} {
		f.work.WithLabelValues(kind).Add(float64(n))
	}
}
