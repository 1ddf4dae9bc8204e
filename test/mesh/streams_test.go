package mesh_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"outrigger.dev/outrigger/test/load"
	"outrigger.dev/outrigger/test/mesh"
	"outrigger.dev/outrigger/test/relay"
	"outrigger.dev/outrigger/test/rig"
	"outrigger.dev/outrigger/xds/debug"
)

// simple is a server behind a sidecar, and a client.
func simple() map[string]string {
	server := wlSpec{name: "server", app: "server", host: 20, sidecar: true, ports: []int{portHTTP}}
	return map[string]string{
		"server.yaml": server.yaml(),
		"service.yaml": service("server", "server", svcPort{80, portHTTP, "http"}) +
			authn("server", "server", "Strict"),
		"client.yaml": client(egress{portHTTP, "server", 80}),
	}
}

// state returns what `outrigger proxies` says of a workload's proxy.
func state(t *testing.T, r *rig.Loopback, workload string) (debug.Proxy, bool) {
	t.Helper()
	proxies, err := r.Proxies(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p, ok := proxies[rig.Namespace+"/"+workload]
	return p, ok
}

// refused waits until a stream has been refused: the control plane counts it,
// and Envoy is told why.
func refused(t *testing.T, r *rig.Loopback, s *mesh.Sidecar, reason, told string) {
	t.Helper()
	rig.Eventually(t, "a stream is refused", func() error {
		metrics, err := r.Metrics(t.Context())
		if err != nil {
			return err
		}
		reason := `reason="` + reason + `"`
		// A stream whose node is not that of its token was let in, for one message.
		if metrics.Sum("outrigger_xds_refused_total", reason)+metrics.Sum("outrigger_xds_streams_closed_total", reason) == 0 {
			return fmt.Errorf("no stream is counted for the reason %s", reason)
		}
		if text := s.Logs(); !strings.Contains(text, told) {
			return fmt.Errorf("nothing of %q in Envoy's log: %s", told, text)
		}
		return nil
	})
}

func TestTokenOfAnotherWorkloadIsRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, simple())
	cfg := rig.Who("client")
	cfg.Stolen = "server"
	c, err := r.Sidecar(context.WithoutCancel(t.Context()), cfg)
	if err != nil {
		t.Fatal(err)
	}
	refused(t, r, c, "denied", "closed: 7")
	if p, _ := state(t, r, "client"); p.State != debug.StateAway {
		t.Errorf("the state is %q, want %q", p.State, debug.StateAway)
	}
	if _, err := c.Admin(t.Context(), "GET", "/ready"); err == nil {
		t.Error("the Envoy is ready without a configuration")
	}
	// The same Envoy, with the right token in its folder, gets in.
	cfg.Stolen = ""
	if err := r.Token(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	r.Synced(t, "client")
}

func TestRemovedWorkloadEndsItsStream(t *testing.T) {
	t.Parallel()
	files := simple()
	r := newRig(t, files)
	r.Join(t, rig.Who("server"))
	r.Synced(t, "server")
	r.Drop(t, "server.yaml")
	rig.Eventually(t, "the stream has ended", func() error {
		if p, ok := state(t, r, "server"); ok && len(p.Streams) > 0 {
			return fmt.Errorf("it is %q with %d streams", p.State, len(p.Streams))
		}
		return nil
	})
	r.Put(t, "server.yaml", files["server.yaml"])
	r.Synced(t, "server")
}

// behind starts a relay in front of the control plane.
func behind(t *testing.T, r *rig.Loopback) *relay.Relay {
	t.Helper()
	wire, err := relay.Listen(t.Context(), r.Addr(2, 18010), r.XDS())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { wire.Close() })
	return wire
}

func TestExpiredTokenKeepsItsStreamAndOpensNoOther(t *testing.T) {
	t.Parallel()
	r := newRig(t, simple())
	servePage(t, r.Addr(20, portHTTP+1000), "server")
	wire := behind(t, r)
	cfg := rig.Who("client")
	cfg.Server, cfg.TokenTTL = wire.Addr(), 2*time.Second
	expires := time.NewTimer(3 * time.Second)
	defer expires.Stop()
	c, err := r.Ready(context.WithoutCancel(t.Context()), cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.Join(t, rig.Who("server"))
	r.Synced(t, "client")
	before, _ := state(t, r, "client")
	<-expires.C
	after, _ := state(t, r, "client")
	if after.Stream() == nil || !after.Stream().Since.Equal(before.Stream().Since) {
		t.Fatalf("the stream was cut when the token expired: %+v", after)
	}
	// The old stream still carries changes.
	r.Put(t, "client.yaml", client(egress{portHTTP, "server", 80}, egress{portHTTP2, "server", 80}))
	rig.Eventually(t, "the change arrives", func() error {
		_, err := get1(t, r.Addr(clientHost, portHTTP2))
		return err
	})
	wire.Cut()
	refused(t, r, c, "unauthenticated", "expired")
	if p, _ := state(t, r, "client"); p.State != debug.StateAway {
		t.Errorf("the state is %q, want %q", p.State, debug.StateAway)
	}
	if _, err := get1(t, r.Addr(clientHost, portHTTP2)); err != nil {
		t.Errorf("the sidecar does not go on with what it has: %v", err)
	}
	cfg.TokenTTL = time.Hour
	if err := r.Token(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	r.Synced(t, "client")
}

// What changes while a proxy is cut off arrives when it is back, and nothing else does.
func TestReconnectSendsDifferencesOnly(t *testing.T) {
	t.Parallel()
	files := simple()
	r := newRig(t, files)
	servePage(t, r.Addr(20, portHTTP+1000), "server")
	servePage(t, r.Addr(30, portHTTP), "plain")
	r.Join(t, rig.Who("server"))
	wire := behind(t, r)
	cfg := rig.Who("client")
	cfg.Server = wire.Addr()
	c, err := r.Ready(context.WithoutCancel(t.Context()), cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.Synced(t, "client")
	applied := func(of string) int64 {
		t.Helper()
		stats, err := c.Stats(t.Context(), of+`\.update_success$`)
		if err != nil {
			t.Fatal(err)
		}
		var sum int64
		for _, n := range stats {
			sum += n
		}
		return sum
	}
	first := wire.Count()
	before, old := applied(""), since(t, r, "client")
	wire.Cut()
	reconnected := func() error {
		if p, _ := state(t, r, "client"); p.State != debug.StateSynced || p.Stream().Since.Equal(old) {
			return fmt.Errorf("the state is %q", p.State)
		}
		return nil
	}
	rig.Eventually(t, "the proxy is back", reconnected)
	if now := applied(""); now != before {
		t.Errorf("nothing had changed, and the proxy applied %d updates", now-before)
	}
	if again := wire.Count().Minus(first).Down; again*3 > first.Down {
		t.Errorf("%d bytes were sent at first and %d again, want a third at most", first.Down, again)
	}
	listeners, old := applied("lds"), since(t, r, "client")
	restart(t, r, func() { r.Put(t, "more.yaml", plain("plain", 30).yaml()) })
	rig.Eventually(t, "the proxy is back again", reconnected)
	rig.Eventually(t, "the new endpoint answers", func() error {
		if seen := names(t, r.Addr(clientHost, portHTTP), 20); seen["plain"] == 0 || seen["server"] == 0 {
			return fmt.Errorf("20 calls were answered by %v", seen)
		}
		return nil
	})
	if now := applied("lds"); now != listeners {
		t.Errorf("an endpoint had changed, and the proxy applied %d updates of listeners", now-listeners)
	}
}

// since is when the stream of a workload was opened: no two have the same.
func since(t *testing.T, r *rig.Loopback, workload string) time.Time {
	t.Helper()
	p, _ := state(t, r, workload)
	if p.Stream() == nil {
		t.Fatalf("%s has no stream", workload)
	}
	return p.Stream().Since
}

// restart stops the control plane as an operator does, and starts it again after f.
func restart(t *testing.T, r *rig.Loopback, f func()) {
	t.Helper()
	if err := r.StopServer(); err != nil {
		t.Fatal(err)
	}
	f()
	if err := r.StartServer(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
}

func TestSIGTERMDrainsAndHarmsNobody(t *testing.T) {
	t.Parallel()
	r := newRig(t, simple())
	servePage(t, r.Addr(20, portHTTP+1000), "server")
	r.Join(t, rig.Who("server"))
	r.Join(t, rig.Who("client"))
	r.Synced(t, "server", "client")
	l := load.Start(t.Context(), load.Config{URL: "http://" + r.Addr(clientHost, portHTTP)})
	defer l.Stop()
	began := time.Now()
	restart(t, r, func() {
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("the control plane took %s to end", took)
		}
	})
	r.Synced(t, "server", "client")
	if err := l.Stop().Err(); err != nil {
		t.Error(err)
	}
}

// A leaf of 10 s is renewed after 2 to 4 s. Open connections stay, new ones see the new leaf.
func TestRenewedCertificateCutsNothing(t *testing.T) {
	t.Parallel()
	files := simple()
	files["tcp.yaml"] = service("tcp", "server", svcPort{81, portTCP, "tcp"})
	files["server.yaml"] = wlSpec{name: "server", app: "server", host: 20, sidecar: true, ports: []int{portHTTP, portTCP}}.yaml()
	files["client.yaml"] = client(egress{portHTTP, "server", 80}, egress{portTCP, "tcp", 81})
	r := prepare(t, mesh.Config{IdentityTTL: 10 * time.Second}, files)
	if err := r.StartServer(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	servePage(t, r.Addr(20, portHTTP+1000), "server")
	serveTCP(t, r.Addr(20, portTCP+1000), echo)
	r.Join(t, rig.Who("server"))
	r.Join(t, rig.Who("client"))
	open, err := dial(t, r.Addr(clientHost, portTCP), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := say(open, "before"); err != nil || got != "before" {
		t.Fatalf("came back %q, error %v", got, err)
	}
	l := load.Start(t.Context(), load.Config{URL: "http://" + r.Addr(clientHost, portHTTP)})
	defer l.Stop()
	config := callers(t, r, alpnTCP)["mesh"]
	old := shown(t, r.Addr(20, portTCP), config)
	rig.Eventually(t, "the server shows a new certificate", func() error {
		if shown(t, r.Addr(20, portTCP), config) == old {
			return errors.New("it is the old one")
		}
		// Each is a new connection from sidecar to sidecar.
		return echoTCP(t, r.Addr(clientHost, portTCP), nil)
	})
	if got, err := say(open, "after"); err != nil || got != "after" {
		t.Errorf("the open connection: came back %q, error %v", got, err)
	}
	if err := l.Stop().Err(); err != nil {
		t.Error(err)
	}
}

// shown returns the serial number of the certificate that a server shows.
func shown(t *testing.T, address string, config *tls.Config) string {
	t.Helper()
	conn, err := dial(t, address, config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.String()
}
