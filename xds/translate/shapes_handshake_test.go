package translate_test

import (
	"crypto/tls"
	"testing"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy/ir"
	"outrigger.dev/outrigger/test/envoy"
)

// TestApplicationMeetsProvenCallersOnly: nobody gets a byte without a certificate of the mesh, and where Envoy can wait for
// the handshake, the application does not even see a connection.
func TestApplicationMeetsProvenCallersOnly(t *testing.T) {
	release, err := envoy.Running(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p := newPair(t)
	p.add(port{"tcp", discovery.TCP, ir.Strict, tcpApp(t)})
	p.start()
	strangers := map[string]*tls.Config{
		"another authority": newAuthority(t).client(webID, "outrigger"),
		"no certificate":    {InsecureSkipVerify: true, NextProtos: []string{"outrigger"}},
	}
	for name, config := range strangers {
		if got, err := say(tls.Client(dial(t, p.direct["tcp"]), config), ""); err == nil {
			t.Errorf("%s was told %q", name, got)
		}
	}
	if got, err := say(dial(t, p.direct["tcp"]), "plain"); err == nil {
		t.Errorf("plain text was answered with %q", got)
	}
	if met, want := p.met(), envoy.ConnectAfterHandshake.In(release); (met == 0) != want {
		t.Errorf("Envoy %s: the application met %d callers before their proof; it is to meet none: %t", release, met, want)
	}
	before := p.met()
	proven := tls.Client(dial(t, p.direct["tcp"]), p.plane.authority.client(webID, "outrigger"))
	if got, err := say(proven, ""); err != nil || got != "hello" {
		t.Errorf("a caller of the mesh was told %q, %v", got, err)
	}
	if met := p.met() - before; met != 1 {
		t.Errorf("one caller made %d connections to the application", met)
	}
}

// met is how many connections the applications have got.
func (p *pair) met() int64 {
	p.t.Helper()
	stats, err := p.carts.Stats(p.t.Context(), `^cluster\.inbound\|\d+\.upstream_cx_total$`)
	if err != nil {
		p.t.Fatal(err)
	}
	var sum int64
	for _, n := range stats {
		sum += n
	}
	return sum
}
