package metrics

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"outrigger.dev/outrigger/xds/cache"
	"outrigger.dev/outrigger/xds/server"
)

// protocolDelta is the only form of xDS that is served.
const protocolDelta = "delta"

// Results of a push: each one counts as sent and then by its answer.
const (
	resultSent   = "sent"
	resultAcked  = "acked"
	resultNacked = "nacked"
)

// Reasons of a NACK: a response that is taken apart to find the culprit, or a resource that stands alone.
const (
	nackResponse = "response"
	nackResource = "resource"
)

// Engine measures xds/server; it is a [server.Observer].
type Engine struct {
	streams   *prometheus.GaugeVec
	closed    *prometheus.CounterVec
	refused   *prometheus.CounterVec
	pushes    *prometheus.CounterVec
	resources *prometheus.CounterVec
	removals  *prometheus.CounterVec
	bytes     *prometheus.CounterVec
	nacks     *prometheus.CounterVec
	acks      *prometheus.HistogramVec
	queue     prometheus.Histogram
	panics    prometheus.Counter
	// found counts the refused resources that were found and parked.
	found atomic.Uint64
	// typed are the children of the above for each type, looked up once.
	typed [cache.NumTypes + 1]typedEngine
}

// typedEngine counts what concerns one type.
type typedEngine struct {
	sent, acked, resources, removals, bytes prometheus.Counter
	ack                                     prometheus.Observer
}

var _ server.Observer = (*Engine)(nil)

func newEngine() *Engine {
	e := &Engine{
		streams: gauges("outrigger_xds_streams", "Open streams, by form of the protocol.", "type"),
		closed: counters("outrigger_xds_streams_closed_total",
			"Streams that were let in and ended, by reason; denied is for one whose node is not that of its token.", "reason"),
		refused: counters("outrigger_xds_refused_total",
			"Streams not let in and messages not accepted, by reason; a node that is not that of its token is in outrigger_xds_streams_closed_total.", "reason"),
		pushes:    counters("outrigger_xds_pushes_total", "Responses by type; each counts as sent, and then as acked or nacked.", "type", "result"),
		resources: counters("outrigger_xds_resources_sent_total", "Resources sent, by type.", "type"),
		removals:  counters("outrigger_xds_removals_sent_total", "Removed names sent, by type.", "type"),
		bytes:     counters("outrigger_config_bytes_total", "Bytes of responses, by type.", "type"),
		nacks: counters("outrigger_xds_nacks_total",
			"Refusals by type; reason is response for one that is being taken apart, resource for one that was found and parked.", "type", "reason"),
		acks: prometheus.NewHistogramVec(seconds("outrigger_xds_ack_seconds",
			"Time from a response to its ACK, by type."), []string{"type"}),
		queue: prometheus.NewHistogram(seconds("outrigger_push_queue_seconds",
			"Time that a change waited on a stream until its turn came.")),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "outrigger_xds_panics_total", Help: "Streams that ended by a fault of the control plane.",
		}),
	}
	for t := range e.typed {
		e.typed[t] = e.of(cache.Type(t).String())
	}
	return e
}

func (e *Engine) of(typ string) typedEngine {
	return typedEngine{
		sent: e.pushes.WithLabelValues(typ, resultSent), acked: e.pushes.WithLabelValues(typ, resultAcked),
		resources: e.resources.WithLabelValues(typ), removals: e.removals.WithLabelValues(typ),
		bytes: e.bytes.WithLabelValues(typ), ack: e.acks.WithLabelValues(typ),
	}
}

func (e *Engine) all() []prometheus.Collector {
	return []prometheus.Collector{
		e.streams, e.closed, e.refused, e.pushes, e.resources, e.removals, e.bytes, e.nacks, e.acks, e.queue, e.panics,
	}
}

// Opened counts a stream.
func (e *Engine) Opened(server.Peer) { e.streams.WithLabelValues(protocolDelta).Inc() }

// Closed counts the end of a stream.
func (e *Engine) Closed(_ server.Peer, reason string) {
	e.streams.WithLabelValues(protocolDelta).Dec()
	e.closed.WithLabelValues(reason).Inc()
}

// Refused counts what was not accepted.
func (e *Engine) Refused(reason string) { e.refused.WithLabelValues(reason).Inc() }

// Pushed counts a response.
func (e *Engine) Pushed(p server.Push) {
	t := &e.typed[p.Type]
	t.sent.Inc()
	t.bytes.Add(float64(p.Bytes))
	if p.Resources > 0 {
		t.resources.Add(float64(p.Resources))
	}
	if p.Removed > 0 {
		t.removals.Add(float64(p.Removed))
	}
}

// Acked counts and times an ACK.
func (e *Engine) Acked(typ cache.Type, after time.Duration) {
	t := &e.typed[typ]
	t.acked.Inc()
	t.ack.Observe(after.Seconds())
}

// Nacked counts a NACK.
func (e *Engine) Nacked(n server.Nack) {
	reason := nackResponse
	if n.Resource != "" {
		reason = nackResource
		e.found.Add(1)
	}
	e.pushes.WithLabelValues(n.Type.String(), resultNacked).Inc()
	e.nacks.WithLabelValues(n.Type.String(), reason).Inc()
}

// Queued times the wait of a change.
func (e *Engine) Queued(wait time.Duration) { e.queue.Observe(wait.Seconds()) }

// Panicked counts a fault.
func (e *Engine) Panicked(server.Peer) { e.panics.Inc() }

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

func gauges(name, help string, labels ...string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
}
