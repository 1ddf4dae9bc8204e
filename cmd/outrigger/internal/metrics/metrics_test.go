package metrics_test

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"outrigger.dev/outrigger/cmd/outrigger/internal/metrics"
	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/xds/build"
	"outrigger.dev/outrigger/xds/cache"
	"outrigger.dev/outrigger/xds/server"
)

var update = flag.Bool("update", false, "write docs/metrics.md anew")

const (
	docFile = "../../../../docs/metrics.md"
	begin   = "<!-- begin: written by go test ./cmd/outrigger/internal/metrics -update -->\n"
	end     = "<!-- end -->\n"
)

var epoch = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// full returns metrics in which everything has happened once.
func full(t *testing.T) *metrics.Metrics {
	t.Helper()
	m := metrics.New(metrics.Build{Version: "v1", Revision: "abc", Go: "go1.26"})
	var stats cache.Stats
	stats.Resources[cache.Cluster] = 3
	stats.Views = 2
	m.Watch(metrics.State{
		Store: func() cache.Stats { return stats },
		Sources: func() []metrics.Source {
			return []metrics.Source{{
				ID: discovery.SourceID{Kind: "file", Name: "mesh"}, Synced: true,
				Updated: epoch.Add(-time.Minute), Trouble: epoch.Add(-time.Second),
			}, {
				ID: discovery.SourceID{Kind: "consul", Name: "dc1"}, Synced: true,
				Watching: &discovery.Stats{ReadAt: epoch.Add(-time.Second), Wakes: 5, IdleWakes: 2, Errors: 3, Throttled: 1},
				Held:     &metrics.Held{Endpoints: 4, Dead: 1, DeadFor: time.Minute},
			}}
		},
		Problems: func() []metrics.Problem {
			return []metrics.Problem{{File: "a.yaml", Line: "3", Field: "spec", Reason: "Invalid"}}
		},
		Refused: func(context.Context) ([]metrics.Refusal, bool) {
			one := metrics.Refusal{Node: "shop/web-1", Type: "listener", Resource: "l", Owner: "ProxyConfig shop/web"}
			return []metrics.Refusal{one, one}, false
		},
		Signed:   func() uint64 { return 7 },
		Replicas: func() []metrics.Replica { return []metrics.Replica{{Name: "b"}, {Name: "10.0.0.1:15012", Up: true}} },
		LeafEnd:  func() (time.Time, bool) { return epoch.Add(time.Hour), true },
		RootsEnd: func() time.Time { return epoch.Add(24 * time.Hour) },
		Clock:    func() time.Time { return epoch },
	})
	e, peer := m.Engine, server.Peer{Node: "shop/web-1"}
	e.Opened(peer)
	e.Opened(peer)
	e.Closed(peer, server.ReasonClient)
	e.Refused(server.ReasonCredentials)
	e.Pushed(server.Push{Type: cache.Cluster, Resources: 3, Removed: 1, Bytes: 100})
	e.Acked(cache.Cluster, time.Millisecond)
	e.Nacked(server.Nack{Type: cache.Listener, Resource: "l"})
	e.Queued(time.Millisecond)
	e.Panicked(peer)
	m.Feed.Sent(10 * time.Millisecond)
	m.Feed.Propagated(20 * time.Millisecond)
	m.Feed.Applied(build.Changes{
		Resources: []cache.Change{{Ref: cache.Ref{Type: cache.Endpoints, Name: "a"}}}, Work: build.Work{Ports: 1},
	}, time.Millisecond)
	m.Feed.Applied(build.Changes{}, time.Millisecond)
	return m
}

func TestTextFormat(t *testing.T) {
	t.Parallel()
	recorder := httptest.NewRecorder()
	full(t).Handler().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	body := recorder.Body.String()
	for _, line := range []string{
		`outrigger_build_info{goversion="go1.26",revision="abc",version="v1"} 1`,
		`outrigger_xds_streams{type="delta"} 1`,
		`outrigger_xds_streams_closed_total{reason="client"} 1`,
		`outrigger_xds_refused_total{reason="unauthenticated"} 1`,
		`outrigger_xds_pushes_total{result="acked",type="cluster"} 1`,
		`outrigger_xds_pushes_total{result="nacked",type="listener"} 1`,
		`outrigger_xds_nacks_total{reason="resource",type="listener"} 1`,
		`outrigger_config_bytes_total{type="cluster"} 100`,
		`outrigger_xds_ack_seconds_bucket{type="cluster",le="0.001"} 1`,
		`outrigger_propagation_seconds_bucket{le="0.01"} 0`,
		`outrigger_propagation_seconds_bucket{le="0.025"} 1`,
		`outrigger_apply_seconds_count 2`,
		`outrigger_wakes_without_change_total 1`,
		`outrigger_resources_changed_total{type="endpoints"} 1`,
		`outrigger_resolved_total{kind="port"} 1`,
		`outrigger_resources{type="cluster"} 3`,
		`outrigger_source_age_seconds{source="file/mesh"} 60`,
		`outrigger_source_stale_seconds{source="file/mesh"} 1`,
		`outrigger_config_problems{reason="Invalid",severity="error"} 1`,
		`outrigger_config_problem_info{field="spec",file="a.yaml",line="3",reason="Invalid",severity="error"} 1`,
		`outrigger_xds_refused_info{node="shop/web-1",owner="ProxyConfig shop/web",resource="l",type="listener"} 1`,
		`outrigger_ca_signed_total 7`,
		`outrigger_ca_leaf_min_remaining_seconds 3600`,
		`outrigger_ca_root_remaining_seconds 86400`,
	} {
		if !strings.Contains(body, line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
	if t.Failed() {
		t.Log(body)
	}
}

// TestNamesThatAreNoUTF8: files and folders may have any name, and none takes all metrics away.
func TestNamesThatAreNoUTF8(t *testing.T) {
	t.Parallel()
	m := metrics.New(metrics.Build{})
	m.Watch(metrics.State{
		Store: func() cache.Stats { return cache.Stats{} },
		Sources: func() []metrics.Source {
			return []metrics.Source{{ID: discovery.SourceID{Kind: "file", Name: "m\xff"}, Watching: &discovery.Stats{}}}
		},
		Problems: func() []metrics.Problem {
			one := metrics.Problem{File: "a\xfe.yaml", Line: "1", Field: "spec", Reason: "Invalid"}
			two := one
			two.File = "a\xff.yaml" // Equal to the other one, as it is shown.
			return []metrics.Problem{one, two}
		},
		Signed:   func() uint64 { return 0 },
		Replicas: func() []metrics.Replica { return nil },
		LeafEnd:  func() (time.Time, bool) { return time.Time{}, false },
		RootsEnd: func() time.Time { return epoch },
		Clock:    func() time.Time { return epoch },
	})
	recorder := httptest.NewRecorder()
	m.Handler().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if recorder.Code != http.StatusOK {
		t.Fatalf("%d: %s", recorder.Code, recorder.Body)
	}
	for _, line := range []string{
		`outrigger_source_synced{source="file/m\uFFFD"} 0`,
		`outrigger_config_problems{reason="Invalid",severity="error"} 2`,
		`outrigger_config_problem_info{field="spec",file="a\uFFFD.yaml",line="1",reason="Invalid",severity="error"} 1`,
	} {
		line = strings.ReplaceAll(line, `\uFFFD`, "\uFFFD")
		if !strings.Contains(recorder.Body.String(), line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
}

// TestNoLabelGrowsWithTheMesh: whatever names peers and resources have, there are no more series.
func TestNoLabelGrowsWithTheMesh(t *testing.T) {
	t.Parallel()
	m := full(t)
	before := series(t, m)
	for i := range 100 {
		peer := server.Peer{Node: fmt.Sprintf("shop/web-%d", i), Identity: fmt.Sprintf("spiffe://a/%d", i)}
		m.Engine.Opened(peer)
		m.Engine.Nacked(server.Nack{Peer: peer, Type: cache.Listener, Resource: fmt.Sprintf("l%d", i), Error: peer.Node})
		m.Engine.Closed(peer, server.ReasonClient)
	}
	if after := series(t, m); after != before {
		t.Errorf("%d series became %d", before, after)
	}
}

// TestRefusalsAreBoundedAndAskedForWhenThereAreAny: streams are asked from the first refusal until all are quiet.
func TestRefusalsAreBoundedAndAskedForWhenThereAreAny(t *testing.T) {
	t.Parallel()
	m := metrics.New(metrics.Build{})
	asked, refused, quiet := 0, 0, false
	m.Watch(metrics.State{
		Replicas: func() []metrics.Replica { return nil },
		Store:    func() cache.Stats { return cache.Stats{} }, Sources: func() []metrics.Source { return nil },
		Problems: func() []metrics.Problem { return nil }, Signed: func() uint64 { return 0 },
		Refused: func(context.Context) ([]metrics.Refusal, bool) {
			asked++
			list := make([]metrics.Refusal, refused)
			for i := range list {
				list[i] = metrics.Refusal{Node: fmt.Sprintf("shop/web-%03d", i), Type: "listener", Resource: "l"}
			}
			return list, quiet
		},
		LeafEnd:  func() (time.Time, bool) { return time.Time{}, false },
		RootsEnd: func() time.Time { return epoch }, Clock: func() time.Time { return epoch },
	})
	nack := func() { m.Engine.Nacked(server.Nack{Type: cache.Listener, Resource: "l"}) }
	for _, step := range []struct {
		name     string
		do       func()
		asked, n int
	}{
		{"nothing was refused", func() {}, 0, 0},
		{"a response is being taken apart", func() { m.Engine.Nacked(server.Nack{Type: cache.Listener}) }, 0, 0},
		{"some refuse", func() { nack(); refused = 3 }, 1, 3},
		{"they do still", func() {}, 2, 3},
		{"very many refuse", func() { refused = 150 }, 3, 100},
		{"nothing is refused just now", func() { refused = 0 }, 4, 0},
		{"all are quiet", func() { quiet = true }, 5, 0},
		{"nothing since", func() { refused = 3 }, 5, 0},
		{"refused again", func() { nack(); quiet = false }, 6, 3},
	} {
		step.do()
		if n := count(t, m, "outrigger_xds_refused_info"); n != step.n || asked != step.asked {
			t.Errorf("%s: %d series, asked %d times; want %d and %d", step.name, n, asked, step.n, step.asked)
		}
	}
}

// count returns how many series a metric has.
func count(t *testing.T, m *metrics.Metrics, name string) int {
	t.Helper()
	families, err := m.Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return len(f.GetMetric())
		}
	}
	return 0
}

func series(t *testing.T, m *metrics.Metrics) int {
	t.Helper()
	families, err := m.Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), "outrigger_") {
			n += len(f.GetMetric())
		}
	}
	return n
}

// TestDocumentation: docs/metrics.md lists exactly what is registered.
func TestDocumentation(t *testing.T) {
	t.Parallel()
	families, err := full(t).Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	want := begin + "| metric | type | labels | what it says |\n|---|---|---|---|\n"
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), "outrigger_") {
			want += fmt.Sprintf("| `%s` | %s | %s | %s |\n", f.GetName(), kind(f), labels(f), f.GetHelp())
		}
	}
	want += end
	data, err := os.ReadFile(docFile)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(data), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no table to compare with", docFile)
	}
	whole := before + want + after
	if *update {
		if err := os.WriteFile(docFile, []byte(whole), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(data) != whole {
		t.Errorf("%s differs from what is registered; run this test with -update and read the difference.\nwant:\n%s", docFile, want)
	}
}

func kind(f *dto.MetricFamily) string {
	text := strings.ToLower(f.GetType().String())
	if f.GetType() == dto.MetricType_HISTOGRAM && f.GetMetric()[0].GetHistogram().GetSchema() != 0 {
		return "native " + text
	}
	return text
}

func labels(f *dto.MetricFamily) string {
	var names []string
	for _, pair := range f.GetMetric()[0].GetLabel() {
		names = append(names, "`"+pair.GetName()+"`")
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
