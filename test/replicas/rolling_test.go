package replicas_test

import (
	"os/exec"
	"path/filepath"
	"testing"

	"outrigger.dev/outrigger/test/load"
	"outrigger.dev/outrigger/test/mesh"
)

// TestRollingRestartDrainsNothing: when both servers are restarted in turn, as another build with the same shape number, no
// Envoy is sent a resource, changes or drains a listener or a cluster, or closes a connection of a client.
func TestRollingRestartDrainsNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.a.launch(t)
	r.b.launch(t)
	r.a.ready(t)
	r.b.ready(t)
	sidecars := []*mesh.Sidecar{r.sidecar(t, "server", r.a.xds, r.b.xds), r.sidecar(t, "client", r.b.xds, r.a.xds)}
	r.arrived(t)
	before := make([]map[string]int64, len(sidecars))
	for i, s := range sidecars {
		before[i] = standing(t, s)
	}
	l := load.Start(t.Context(), load.Config{URL: r.url(port)})
	defer l.Stop()
	next := anotherBuild(t)
	for _, old := range []*server{r.a, r.b} {
		stays := r.b
		if old == r.b {
			stays = r.a
		}
		sent := stays.sum(t, "outrigger_xds_resources_sent_total")
		old.stop(t)
		here(t, stays)
		old.binary = next
		old.start(t)
		r.arrived(t)
		// What was started again has counted nothing before, and what stays only what it had sent before.
		if got := old.sum(t, "outrigger_xds_resources_sent_total") + stays.sum(t, "outrigger_xds_resources_sent_total"); got != sent {
			t.Errorf("the restart of server %s: %v resources were sent to proxies that had all of them", old.name, got-sent)
		}
	}
	report := l.Stop()
	t.Log(report)
	if err := report.Err(); err != nil {
		t.Error(err)
	}
	for i, s := range sidecars {
		for name, now := range standing(t, s) {
			if now != before[i][name] {
				t.Errorf("%s: %s was %d and is %d", s.Name, name, before[i][name], now)
			}
		}
		if got := len(before[i]); got != len(mustStand) {
			t.Errorf("%s tells %d of %d stats: %v", s.Name, got, len(mustStand), before[i])
		}
		if before[i]["listener_manager.total_listeners_draining"] != 0 {
			t.Errorf("%s was draining listeners already", s.Name)
		}
	}
}

// mustStand are the stats of Envoy that a restart of its control plane must leave alone.
var mustStand = []string{
	"cluster_manager.cluster_added", "cluster_manager.cluster_modified", "cluster_manager.cluster_removed",
	"listener_manager.listener_added", "listener_manager.listener_modified", "listener_manager.listener_removed",
	"listener_manager.total_listeners_draining",
}

// standing are those stats as they are now.
func standing(t *testing.T, s *mesh.Sidecar) map[string]int64 {
	t.Helper()
	all, err := s.Stats(t.Context(), `^(listener|cluster)_manager\.`)
	if err != nil {
		t.Fatal(err)
	}
	stats := map[string]int64{}
	for _, name := range mustStand {
		if n, ok := all[name]; ok {
			stats[name] = n
		}
	}
	return stats
}

// anotherBuild is the control plane of another version, whose output has the same shape.
func anotherBuild(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "outrigger")
	build := exec.CommandContext(t.Context(), "go", "build", "-ldflags", "-X main.version=next", "-o", path, "outrigger.dev/outrigger/cmd/outrigger")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building another outrigger: %v: %s", err, out)
	}
	return path
}
