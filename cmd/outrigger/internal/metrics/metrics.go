// Package metrics counts and times what the parts of the control plane tell
// their observers, and serves it to Prometheus.
//
// It may import the packages whose observers it implements, and client_golang.
// Labels are bounded: types, results, reasons, sources; never the name of a
// node or a resource, which would grow with the mesh. Only the metrics named
// _info name what is wrong right now, the first 100 of each. docs/metrics.md
// lists everything that is registered here, and a test compares the two.
package metrics

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Build says what binary runs.
type Build struct {
	Version, Revision, Go string
}

// Metrics holds everything that the control plane measures.
type Metrics struct {
	// Engine observes xds/server.
	Engine *Engine
	// Feed is told what xds/feed does.
	Feed *Feed

	registry *prometheus.Registry
}

// New registers all metrics that are counted as things happen.
func New(build Build) *Metrics {
	m := &Metrics{Engine: newEngine(), Feed: newFeed(), registry: prometheus.NewPedanticRegistry()}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "outrigger_build_info", Help: "Always 1; the labels say what binary runs.",
		ConstLabels: prometheus.Labels{"version": build.Version, "revision": build.Revision, "goversion": build.Go},
	})
	info.Set(1)
	m.registry.MustRegister(info, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.registry.MustRegister(m.Engine.all()...)
	m.registry.MustRegister(m.Feed.all()...)
	return m
}

// Watch registers what is read whenever somebody scrapes. It may be called once.
func (m *Metrics) Watch(from State) { m.registry.MustRegister(newState(from, m.Engine)) }

// Handler serves the metrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		Registry: m.registry, EnableOpenMetrics: true, MaxRequestsInFlight: 4,
	})
}

// Registry returns what is registered, for tests and for comparing it with its documentation.
func (m *Metrics) Registry() *prometheus.Registry { return m.registry }

// seconds returns the options of a histogram of durations from 0.5 ms to 60 s: a native histogram,
// with classic buckets as well for those who scrape the text format.
func seconds(name, help string) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{
		Name: name, Help: help,
		Buckets:                        []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		NativeHistogramBucketFactor:    1.1,
		NativeHistogramMaxBucketNumber: 160,
	}
}
