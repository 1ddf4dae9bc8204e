package replicas_test

import (
	"fmt"
	"slices"
	"testing"

	"outrigger.dev/outrigger/test/load"
	"outrigger.dev/outrigger/test/mesh"
	"outrigger.dev/outrigger/test/relay"
	"outrigger.dev/outrigger/test/rig"
)

// TestFirstStartsAtOnceGiveOneAuthority: servers that start in a new folder at the same moment serve the same bytes, with
// the same versions, and each vouches for what the other one signs.
func TestFirstStartsAtOnceGiveOneAuthority(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.a.launch(t)
	r.b.launch(t)
	r.a.ready(t)
	r.b.ready(t)
	if a, b := r.a.content(t), r.b.content(t); a != b || a == "" {
		t.Errorf("one server has\n%s\nthe other\n%s", a, b)
	}
	// Each sidecar knows one of them: neither could verify the other with two authorities.
	r.sidecar(t, "server", r.a.xds)
	r.sidecar(t, "client", r.b.xds)
	r.arrived(t)
	if err := r.answers(port); err != nil {
		t.Error(err)
	}
}

// TestProxiesMoveWithoutAByteSentTwice: an Envoy that knows both servers goes to the other one when its own dies or stops, and
// back, without being sent a resource again, without a new certificate, and without a failed request.
func TestProxiesMoveWithoutAByteSentTwice(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.a.launch(t)
	r.b.launch(t)
	r.a.ready(t)
	r.b.ready(t)
	servers := []string{r.a.xds, r.b.xds}
	sidecars := []*mesh.Sidecar{r.sidecar(t, "server", servers...), r.sidecar(t, "client", servers...)}
	r.arrived(t)
	l := load.Start(t.Context(), load.Config{URL: r.url(port)})
	defer l.Stop()
	stays, dies := r.a, r.b
	for _, end := range []func(){func() { dies.process.Kill() }, func() { dies.process.Kill() }, func() { dies.stop(t) }, func() { dies.stop(t) }} {
		stays, dies = dies, stays
		sent, signed := stays.sum(t, "outrigger_xds_resources_sent_total"), stays.sum(t, "outrigger_ca_signed_total")
		applied := counted(t, sidecars)
		end()
		here(t, stays)
		r.arrived(t)
		if now := stays.sum(t, "outrigger_xds_resources_sent_total"); now != sent {
			t.Errorf("server %s sent %v resources to proxies that had all of them", stays.name, now-sent)
		}
		if now := stays.sum(t, "outrigger_ca_signed_total"); now != signed {
			t.Errorf("server %s signed %v certificates for proxies that had one", stays.name, now-signed)
		}
		if now := counted(t, sidecars); now != applied {
			t.Errorf("the proxies applied %d updates", now-applied)
		}
		dies.start(t)
	}
	report := l.Stop()
	t.Log(report)
	if err := report.Err(); err != nil {
		t.Error(err)
	}
}

// here waits until all proxies are connected to a server.
func here(t *testing.T, s *server) {
	t.Helper()
	rig.Eventually(t, "the proxies are at server "+s.name, func() error {
		if got := s.streams(t); !slices.Equal(got, []string{"test/client", "test/server"}) {
			return fmt.Errorf("at server %s are %v", s.name, got)
		}
		return nil
	})
}

// counted is how many updates the Envoys have applied.
func counted(t *testing.T, sidecars []*mesh.Sidecar) int64 {
	t.Helper()
	var sum int64
	for _, s := range sidecars {
		stats, err := s.Stats(t.Context(), `\.update_success$`)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range stats {
			sum += n
		}
	}
	return sum
}

// TestMoveTakesFewBytes: behind a relay that is led from one server to the other a proxy that comes back says what it
// has, and gets almost nothing.
func TestMoveTakesFewBytes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.a.start(t)
	r.b.start(t)
	r.sidecar(t, "server", r.b.xds)
	first, err := relay.Listen(t.Context(), r.Addr(3, 18010), r.a.xds)
	if err != nil {
		t.Fatal(err)
	}
	r.sidecar(t, "client", first.Addr())
	r.arrived(t)
	before := first.Count().Down
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second, err := relay.Listen(t.Context(), r.Addr(3, 18010), r.b.xds)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	here(t, r.b)
	r.arrived(t)
	if again := second.Count(); again.Connections == 0 || again.Down*2 > before {
		t.Errorf("%d bytes were sent at first and %d after the move, over %d connections", before, again.Down, again.Connections)
	} else {
		t.Logf("%d bytes were sent at first and %d after the move, handshake included", before, again.Down)
	}
}
