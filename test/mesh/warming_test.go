package mesh_test

import (
	"testing"

	"outrigger.dev/outrigger/test/rig"
)

// TestChangedClusterIsWarmAtOnce: Envoy does not ask for the endpoints of a changed cluster again, and does not acknowledge the
// cluster before it has them, or has waited for them in vain for 15 s.
func TestChangedClusterIsWarmAtOnce(t *testing.T) {
	t.Parallel()
	server := wlSpec{name: "one", app: "one", host: 20}
	of := service("one", "one", svcPort{80, portHTTP, "http"})
	r := newRig(t, map[string]string{"one.yaml": of + server.yaml(), "client.yaml": client(egress{portHTTP, "one", 80})})
	c := r.Join(t, rig.Who("client"))
	r.Synced(t, "client")
	server.sidecar = true // The cluster speaks mTLS from now on.
	r.Put(t, "one.yaml", of+server.yaml())
	if text, err := r.Outrigger(t.Context(), "wait", "--data-dir", r.DataDir(), "--timeout", "10s"); err != nil {
		t.Fatal(err, text)
	}
	changed, err := c.Stats(t.Context(), `^cluster_manager.cluster_modified$`)
	if err != nil || changed["cluster_manager.cluster_modified"] == 0 {
		t.Errorf("no cluster changed: %v, %v", changed, err)
	}
}
