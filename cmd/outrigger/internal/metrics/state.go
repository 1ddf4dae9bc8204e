package metrics

import (
	"context"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/xds/cache"
)

// maxInfo bounds how many problems, and how many refusals, have a series of their own; all of them are counted.
const maxInfo = 100

// askTimeout bounds how long streams are asked while somebody scrapes.
const askTimeout = 2 * time.Second

// State is what is read whenever somebody scrapes. Every function may be called at any time.
type State struct {
	Store    func() cache.Stats
	Sources  func() []Source
	Problems func() []Problem
	// Refused asks the open streams what they refuse now, in order. Quiet says that nothing can follow before another
	// resource is found to be refused; until then it is not called again.
	Refused func(context.Context) (refused []Refusal, quiet bool)
	// Signed counts certificates.
	Signed func() uint64
	// LeafEnd is when the first certificate of a connected proxy ends; ok is false while there is none.
	LeafEnd func() (end time.Time, ok bool)
	// RootsEnd is when the first of the roots ends.
	RootsEnd func() time.Time
	// Replicas are the other servers of the mesh.
	Replicas func() []Replica
	// Clock tells the time.
	Clock func() time.Time
}

// Replica is another server of the mesh.
type Replica struct {
	// Name is that of its place in the data folder, or its address; no two have the same.
	Name string
	// Up says that it answers.
	Up bool
}

// Source is the state of one source.
type Source struct {
	ID     discovery.SourceID
	Synced bool
	// Updated is when it last told something; zero before that.
	Updated time.Time
	// Trouble is since when what it says is not to be believed; zero: it is.
	Trouble time.Time
	// Watching is what it knows of its own watching, Held what is served although it says that it is gone;
	// nil where nobody knows.
	Watching *discovery.Stats
	Held     *Held
}

// Held is what is held of a source.
type Held struct {
	Endpoints, Workloads, Nodes, Namespaces, Policies int
	// Saved and Dead count endpoints that were held and came back, or were gone; DeadFor is for how long the latter
	// were served, together.
	Saved, Dead uint64
	DeadFor     time.Duration
	// Rereads counts second reads by their result.
	Confirmed, Contradicted, Failed uint64
}

// Problem is something wrong with what a user wrote.
type Problem struct {
	File, Line, Field, Reason string
	Warning                   bool
}

// Refusal is one resource that a proxy refuses now.
type Refusal struct {
	Node, Type, Resource, Owner string
}

// state turns a State into metrics.
type state struct {
	from   State
	engine *Engine
	// quiet is what engine.found was when no stream had anything to tell.
	quiet atomic.Uint64

	resources, views, scopes, nodes, layers, revision *prometheus.Desc
	synced, age, stale                                *prometheus.Desc
	watching                                          watching
	problems, problem, refused                        *prometheus.Desc
	signed, leaf, roots, replica                      *prometheus.Desc
}

func newState(from State, engine *Engine) *state {
	return &state{
		from:      from,
		engine:    engine,
		watching:  newWatching(),
		resources: desc("outrigger_resources", "Resources in all layers, by type.", "type"),
		views:     desc("outrigger_views", "Different views of the mesh."),
		scopes:    desc("outrigger_scopes", "Different sets of services that proxies see."),
		nodes:     desc("outrigger_proxies", "Workloads with a sidecar, connected or not."),
		layers:    desc("outrigger_layers", "Layers of resources."),
		revision:  desc("outrigger_revision", "Number of the last publication."),
		synced:    desc("outrigger_source_synced", "1 when the source has told its whole state.", "source"),
		age:       desc("outrigger_source_age_seconds", "Time since the source told something.", "source"),
		stale:     desc("outrigger_source_stale_seconds", "For how long the source has been in trouble; 0: it is well.", "source"),
		problems:  desc("outrigger_config_problems", "Problems with what users wrote, by severity and reason.", "severity", "reason"),
		problem: desc("outrigger_config_problem_info",
			"Always 1; one series for each of the first 100 problems with what users wrote.", "file", "line", "field", "reason", "severity"),
		refused: desc("outrigger_xds_refused_info",
			"Always 1; one series for each of the first 100 resources that connected proxies refuse now, with the object at fault.",
			"node", "type", "resource", "owner"),
		signed:  desc("outrigger_ca_signed_total", "Certificates signed since the start."),
		leaf:    desc("outrigger_ca_leaf_min_remaining_seconds", "Life left of the certificate of a connected proxy that ends first."),
		roots:   desc("outrigger_ca_root_remaining_seconds", "Life left of the root that ends first."),
		replica: desc("outrigger_replica_up", "1 while another server of the mesh answers, 0 while it does not.", "replica"),
	}
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

// Describe sends every metric's description.
func (s *state) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		s.resources, s.views, s.scopes, s.nodes, s.layers, s.revision, s.synced, s.age, s.stale,
		s.problems, s.problem, s.refused, s.signed, s.leaf, s.roots, s.replica,
	} {
		out <- d
	}
	s.watching.describe(out)
}

// Collect reads the state.
func (s *state) Collect(out chan<- prometheus.Metric) {
	now := s.from.Clock()
	s.collectStore(out)
	s.collectSources(out, now)
	s.collectProblems(out)
	s.collectRefused(out)
	out <- prometheus.MustNewConstMetric(s.signed, prometheus.CounterValue, float64(s.from.Signed()))
	gauge(out, s.roots, s.from.RootsEnd().Sub(now).Seconds())
	s.collectReplicas(out)
	if end, ok := s.from.LeafEnd(); ok {
		gauge(out, s.leaf, end.Sub(now).Seconds())
	}
}

func (s *state) collectStore(out chan<- prometheus.Metric) {
	stats := s.from.Store()
	for t, n := range stats.Resources {
		// Secrets are in no layer.
		if cache.Type(t) != cache.Secret {
			gauge(out, s.resources, float64(n), cache.Type(t).String())
		}
	}
	gauge(out, s.views, float64(stats.Views))
	gauge(out, s.scopes, float64(stats.Scopes))
	gauge(out, s.nodes, float64(stats.Nodes))
	gauge(out, s.layers, float64(stats.Layers))
	gauge(out, s.revision, float64(stats.Rev))
}

func (s *state) collectSources(out chan<- prometheus.Metric, now time.Time) {
	for _, source := range s.from.Sources() {
		source.ID.Name = label(source.ID.Name)
		name := source.ID.String()
		synced, stale := 0.0, 0.0
		if source.Synced {
			synced = 1
		}
		if !source.Trouble.IsZero() {
			stale = now.Sub(source.Trouble).Seconds()
		}
		gauge(out, s.synced, synced, name)
		gauge(out, s.stale, stale, name)
		if !source.Updated.IsZero() {
			gauge(out, s.age, now.Sub(source.Updated).Seconds(), name)
		}
		s.watching.collect(out, source, now)
	}
}

func (s *state) collectReplicas(out chan<- prometheus.Metric) {
	for _, r := range s.from.Replicas() {
		up := 0.0
		if r.Up {
			up = 1
		}
		gauge(out, s.replica, up, r.Name)
	}
}

func (s *state) collectProblems(out chan<- prometheus.Metric) {
	type key struct{ severity, reason string }
	counts := map[key]int{}
	shown := map[Problem]struct{}{}
	for _, p := range s.from.Problems() {
		counts[key{p.severity(), p.Reason}]++
		if len(shown) < maxInfo {
			p.File, p.Field = label(p.File), label(p.Field)
			shown[p] = struct{}{}
		}
	}
	for k, n := range counts {
		gauge(out, s.problems, float64(n), k.severity, k.reason)
	}
	for p := range shown {
		gauge(out, s.problem, 1, p.File, p.Line, p.Field, p.Reason, p.severity())
	}
}

// collectRefused asks the streams only when there may be something to tell, as it costs each of them a turn.
func (s *state) collectRefused(out chan<- prometheus.Metric) {
	found := s.engine.found.Load()
	if found == s.quiet.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	refused, quiet := s.from.Refused(ctx)
	if quiet {
		s.quiet.Store(found)
	}
	shown := map[Refusal]struct{}{}
	for _, r := range refused {
		if _, again := shown[r]; again || len(shown) == maxInfo {
			continue
		}
		shown[r] = struct{}{}
		gauge(out, s.refused, 1, r.Node, r.Type, r.Resource, r.Owner)
	}
}

func (p Problem) severity() string {
	if p.Warning {
		return "warning"
	}
	return "error"
}

// label returns a text as the value of a label: one that is no UTF-8, such as the name of a file may be, would fail the
// whole scrape.
func label(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }

func gauge(out chan<- prometheus.Metric, d *prometheus.Desc, value float64, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}
