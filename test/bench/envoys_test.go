package main

import (
	"maps"
	"testing"
)

// TestWellBehavedEnvoy: it has one connection, which stands, and has refused nothing.
func TestWellBehavedEnvoy(t *testing.T) {
	fine := map[string]int64{
		"control_plane.connected_state": 1, "cluster.xds.upstream_cx_total": 1, "cluster_manager.cds.update_rejected": 0,
	}
	if err := checkStats(fine); err != nil {
		t.Error(err)
	}
	for name, n := range map[string]int64{
		"control_plane.connected_state": 0, "cluster.xds.upstream_cx_total": 2, "cluster_manager.cds.update_rejected": 1,
	} {
		stats := maps.Clone(fine)
		if stats[name] = n; checkStats(stats) == nil {
			t.Errorf("%s may not be %d", name, n)
		}
		if delete(stats, name); n != 1 && checkStats(stats) == nil {
			t.Errorf("%s must be told", name)
		}
	}
}
