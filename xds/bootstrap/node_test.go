package bootstrap_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"outrigger.dev/outrigger/test/envoy"
)

// TestEnvoySendsItsNodeOnce: what is asked for, older Envoys do not know on a delta stream.
func TestEnvoySendsItsNodeOnce(t *testing.T) {
	release, err := envoy.Running(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	authority := newAuthority(t)
	server, address, stop := serve(t, authority, "127.0.0.1:0")
	defer stop()
	start(t, configFor(authority, address), "one")
	if first := server.next(t, anyStream); first.node.GetUserAgentBuildVersion() == nil {
		t.Errorf("the first request has the node %v", first.node)
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case ack := <-server.acks:
		if once := ack.GetNode() == nil; once != envoy.NodeOnce.In(release) {
			t.Errorf("Envoy %s acknowledges without its node: %t", release, once)
		}
	case <-timer.C:
		t.Fatal("nothing was acknowledged")
	}
}

// TestEnvoyStartsWithoutComplaint: a runtime guard that one Envoy knows is an "envoy bug" with a stack trace to the others.
func TestEnvoyStartsWithoutComplaint(t *testing.T) {
	authority := newAuthority(t)
	server, address, stop := serve(t, authority, "127.0.0.1:0")
	defer stop()
	_, proxy := start(t, configFor(authority, address), "one")
	server.next(t, anyStream)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := proxy.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	if said := proxy.Logs(); strings.TrimSpace(said) != "" {
		t.Errorf("a good start is quiet:\n%s", said)
	}
}
