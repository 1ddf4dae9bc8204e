package serve

import (
	"context"
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy"
)

// TestConsulsThatCannotRun: what is wrong with a Consul of the MeshConfig is said of that field, and harms no other one.
func TestConsulsThatCannotRun(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := &consuls{
		fixed: map[string]bool{"dc1": true}, logger: slog.New(slog.DiscardHandler), running: map[string]*runningConsul{},
		expect: func(discovery.SourceID) {}, unexpect: func(discovery.SourceID) {},
		forget: func(context.Context, discovery.SourceID) {}, watch: func(registry) {},
	}
	good := policy.ConsulSource{Name: "good", Address: "http://127.0.0.1:1", MeshNamespace: "consul"}
	same := policy.ConsulSource{Name: "dc1", Address: "http://127.0.0.1:1", MeshNamespace: "consul"}
	bad := policy.ConsulSource{Name: "bad", Address: "127.0.0.1", MeshNamespace: "consul"}
	want := []discovery.Problem{
		{Object: meshConfigID, Field: "spec.consul[dc1]", Reason: "Duplicate", Message: errConsulTwice.Error(), Warning: true},
		{
			Object: meshConfigID, Field: "spec.consul[bad]", Reason: "Invalid", Warning: true,
			Message: `it cannot be watched: consul source: address "127.0.0.1": write http://host:port or https://host:port`,
		},
	}
	for range 2 { // The second time nothing has changed.
		if diff := cmp.Diff(want, c.want(ctx, []policy.ConsulSource{same, bad, good})); diff != "" {
			t.Errorf("problems (-want +got):\n%s", diff)
		}
		if len(c.running) != 1 || c.running["good"] == nil {
			t.Errorf("%d run", len(c.running))
		}
	}
	if problems := c.want(ctx, []policy.ConsulSource{good}); len(problems) > 0 {
		t.Errorf("problems are left: %v", problems)
	}
	cancel()
	c.wait()
}
