package rude_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"outrigger.dev/outrigger/test/mesh"
	"outrigger.dev/outrigger/test/rig"
)

func envoyName(i int) string { return fmt.Sprint("envoy-", i) }

// envoys starts the real Envoys among the well-behaved; they end with the mesh.
func (r *rigged) envoys(t *testing.T) []*mesh.Sidecar {
	t.Helper()
	var all []*mesh.Sidecar
	for i := range envoys {
		s, err := r.Ready(context.WithoutCancel(t.Context()), mesh.SidecarConfig{
			Namespace: "bench", Workload: envoyName(i), ServiceAccount: envoyName(i),
		})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

// haveEndpoint waits until all Envoys have an address.
func haveEndpoint(t *testing.T, all []*mesh.Sidecar, address string) {
	t.Helper()
	for _, s := range all {
		rig.Eventually(t, s.Name+" has "+address, func() error {
			text, err := s.Admin(t.Context(), "GET", "/clusters")
			if err == nil && !strings.Contains(string(text), "::"+address+":8080::") {
				err = fmt.Errorf("it has not: %s", text)
			}
			return err
		})
	}
}

// wereServed: no Envoy has lost its stream or refused anything.
func wereServed(t *testing.T, all []*mesh.Sidecar) {
	t.Helper()
	for _, s := range all {
		stats, err := s.Stats(t.Context(), `^control_plane\.connected_state$|^cluster\.xds\.upstream_cx_total$|\.update_rejected$`)
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]int64{
			"control_plane.connected_state": 1, "cluster.xds.upstream_cx_total": 1, "cluster_manager.cds.update_rejected": 0,
		} {
			if got, ok := stats[name]; !ok || got != want {
				t.Errorf("%s: %s is %d, want %d", s.Name, name, got, want)
			}
			delete(stats, name)
		}
		for name, n := range stats {
			if n != 0 {
				t.Errorf("%s: %s is %d", s.Name, name, n)
			}
		}
	}
}
