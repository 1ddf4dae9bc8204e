package translate_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy"
	"outrigger.dev/outrigger/policy/ir"
	"outrigger.dev/outrigger/test/envoy"
	"outrigger.dev/outrigger/xds/translate"
)

func TestShapes(t *testing.T) {
	p := newPair(t)
	app := httpApp(t, "app")
	p.addPorts(app)
	p.addPeers(app)
	p.addGone(app)
	missing := p.addMissing()
	p.start()

	for _, mode := range modes {
		t.Run(mode.String(), func(t *testing.T) {
			p.tryMesh(t, mode)
			p.tryPlain(t, mode)
			p.tryForeign(t, mode)
		})
	}
	t.Run("peers", p.tryPeers)
	t.Run("retries", func(t *testing.T) {
		for range 40 {
			got, err := get(t, p.reach["half-gone"], 1, nil)
			if err != nil || got.status != http.StatusOK {
				t.Fatal(got, err)
			}
		}
	})
	t.Run("connect attempts", p.tryAttempts)
	t.Run("none left", p.tryNoneLeft)
	t.Run("missing", func(t *testing.T) {
		got, err := get(t, missing, 1, nil)
		if err != nil || got.status != http.StatusServiceUnavailable {
			t.Error(got, err)
		}
		if got, err := say(dial(t, missing), "\x00"); err == nil {
			t.Error(got)
		}
	})
	t.Run("logs", p.tryLogs)
}

var modes = []ir.MTLSMode{ir.Permissive, ir.Strict, ir.Disabled}

// addPorts adds a service of every protocol in every mode; app speaks HTTP.
func (p *pair) addPorts(app netip.AddrPort) {
	p.t.Helper()
	greeter, echoer, grpcs, secure := tcpApp(p.t), echoApp(p.t), grpcApp(p.t), tlsApp(p.t)
	for _, mode := range modes {
		at := "-" + mode.String()
		p.add(port{"http" + at, discovery.HTTP, mode, app})
		p.add(port{"http2" + at, discovery.HTTP2, mode, app})
		p.add(port{"grpc" + at, discovery.GRPC, mode, grpcs})
		p.add(port{"tcp" + at, discovery.TCP, mode, greeter})
		p.add(port{"tls" + at, discovery.TLS, mode, secure})
		p.add(port{"detect-http" + at, discovery.Detect, mode, app})
		p.add(port{"detect-grpc" + at, discovery.Detect, mode, grpcs})
		p.add(port{"detect-tcp" + at, discovery.Detect, mode, greeter})
		p.add(port{"detect-echo" + at, discovery.Detect, mode, echoer})
		p.add(port{"detect-tls" + at, discovery.Detect, mode, secure})
	}
}

// addPeers adds services whose endpoints are not all what they should be.
func (p *pair) addPeers(app netip.AddrPort) {
	p.t.Helper()
	strict := []ir.Endpoint{{Address: p.direct["http-strict"], Weight: 1}}
	p.service("mixed", discovery.HTTP, ir.Peers{Plain: true, Identities: []string{cartID}},
		ir.EndpointGroup{Endpoints: []ir.Endpoint{{Address: app, Weight: 1}}},
		ir.EndpointGroup{Mesh: true, Endpoints: strict})
	p.service("impostor", discovery.HTTP, ir.Peers{Identities: []string{"spiffe://cluster.local/ns/shop/sa/other"}},
		ir.EndpointGroup{Mesh: true, Endpoints: strict})
	p.service("nobody", discovery.HTTP, ir.Peers{}, ir.EndpointGroup{Mesh: true, Endpoints: strict})
}

// addGone adds services with an endpoint where nobody listens.
func (p *pair) addGone(app netip.AddrPort) {
	p.t.Helper()
	gone := p.free()
	p.service("half-gone", discovery.HTTP, ir.Peers{Plain: true},
		ir.EndpointGroup{Endpoints: []ir.Endpoint{{Address: app, Weight: 1}, {Address: gone, Weight: 1}}})
	p.service("none-left", discovery.HTTP, ir.Peers{Plain: true}, ir.EndpointGroup{Endpoints: []ir.Endpoint{{Address: gone, Weight: 1}}})
	p.service("all-gone", discovery.TCP, ir.Peers{Plain: true}, ir.EndpointGroup{Endpoints: []ir.Endpoint{{Address: gone, Weight: 1}}})
}

// addMissing adds a listener for a service that does not exist, and returns its address.
func (p *pair) addMissing() netip.AddrPort {
	p.t.Helper()
	missing := p.free()
	rule := &policy.ProxyRule{Explicit: true, Egress: []policy.EgressListener{{
		Address: missing, Service: discovery.ServiceID{Namespace: "shop", Name: "missing"}, Port: servicePort,
	}}}
	out, _ := policy.ResolveEgress(rule, func(discovery.ServiceID) *discovery.Service { return nil })
	p.client = append(p.client, translate.Outbound(&out[0])...)
	return missing
}

// tryMesh calls every application through both sidecars.
func (p *pair) tryMesh(t *testing.T, mode ir.MTLSMode) {
	t.Helper()
	at := "-" + mode.String()
	mesh := mode != ir.Disabled
	for _, name := range []string{"http", "http2", "detect-http"} {
		for _, version := range []int{1, 2} {
			t.Run(fmt.Sprint(name, "/", version), func(t *testing.T) { p.tryHTTP(t, name+at, version, mesh) })
		}
	}
	for _, name := range []string{"grpc", "detect-grpc"} {
		t.Run(name, func(t *testing.T) {
			if err := checkHealth(t, p.reach[name+at]); err != nil {
				t.Error(err)
			}
			p.secured(t, name+at, mesh)
		})
	}
	t.Run("websocket", func(t *testing.T) { p.tryWebSocket(t, "http"+at); p.tryWebSocket(t, "detect-http"+at) })
	t.Run("http 1.0", func(t *testing.T) { p.tryHTTP10(t, "http"+at) })
	t.Run("tcp", func(t *testing.T) {
		outBefore, inBefore := p.waited(t)
		if got, err := say(dial(t, p.reach["tcp"+at]), ""); err != nil || got != "hello" {
			t.Error(got, err)
		}
		// Permissive waits inbound for callers that say nothing; a sidecar begins with TLS.
		if out, in := p.waited(t); out > outBefore || in > inBefore {
			t.Errorf("the first byte was waited for %d times outbound, %d times inbound", out-outBefore, in-inBefore)
		}
		p.secured(t, "tcp"+at, mesh)
	})
	t.Run("detect-tcp", func(t *testing.T) {
		before, _ := p.waited(t)
		if got, err := say(dial(t, p.reach["detect-tcp"+at]), ""); err != nil || got != "hello" {
			t.Error(got, err)
		}
		if out, _ := p.waited(t); out != before+1 {
			t.Errorf("the first byte was waited for %d times outbound, want once", out-before)
		}
		p.secured(t, "detect-tcp"+at, mesh)
	})
	t.Run("detect-echo", func(t *testing.T) {
		if got, err := say(dial(t, p.reach["detect-echo"+at]), "ho"); err != nil || got != "echo ho" {
			t.Error(got, err)
		}
		p.secured(t, "detect-echo"+at, mesh)
	})
	for _, name := range []string{"tls", "detect-tls"} {
		t.Run(name, func(t *testing.T) {
			conn := tls.Client(dial(t, p.reach[name+at]), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"line"}})
			if got, err := say(conn, "ho"); err != nil || got != "echo ho" {
				t.Error(got, err)
			}
			p.secured(t, name+at, mesh)
		})
	}
}

func (p *pair) tryHTTP(t *testing.T, name string, version int, mesh bool) {
	t.Helper()
	got, err := get(t, p.reach[name], version, http.Header{"X-Forwarded-Client-Cert": {"URI=spiffe://forged"}})
	if err != nil {
		t.Fatal(err)
	}
	if got.status != http.StatusOK || !strings.HasPrefix(got.body, "app HTTP/") {
		t.Fatal(got.status, got.body)
	}
	if strings.HasPrefix(name, "http2") != strings.HasSuffix(got.body, "HTTP/2.0") && version == 1 {
		t.Errorf("the application was spoken to by %s", got.body)
	}
	saw := got.header.Get("Saw-X-Forwarded-Client-Cert")
	if mesh && !strings.HasSuffix(saw, "URI="+webID) || !mesh && saw != "" {
		t.Errorf("the application saw the caller %q", saw)
	}
	if host, path := got.header.Get("Saw-Host"), got.header.Get("Saw-Path"); host != "cart.example" || path != "/a//b%2f?q=1" {
		t.Errorf("the application saw host %s, path %s", host, path)
	}
	for name := range got.header {
		if strings.HasPrefix(name, "X-Envoy") || strings.HasPrefix(name, "Saw-X-Envoy") {
			t.Errorf("envoy tells %s: %s", name, got.header.Get(name))
		}
	}
	if server := got.header.Get("Server"); server != "app" {
		t.Errorf("server %q", server)
	}
	p.secured(t, name, mesh)
}

func (p *pair) tryWebSocket(t *testing.T, name string) {
	t.Helper()
	conn := dial(t, p.reach[name])
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
	reader := bufio.NewReader(conn)
	resp, err := http.ReadResponse(reader, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(resp, err)
	}
	defer resp.Body.Close()
	if _, err := io.WriteString(conn, "ping\n"); err != nil {
		t.Fatal(err)
	}
	if got, err := reader.ReadString('\n'); err != nil || got != "ping\n" {
		t.Error(got, err)
	}
}

func (p *pair) tryHTTP10(t *testing.T, name string) {
	t.Helper()
	conn := dial(t, p.reach[name])
	_, _ = io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp, err)
	}
	_ = resp.Body.Close()
}

// secured checks by the caller's sidecar whether connections to a service were mesh mTLS.
func (p *pair) secured(t *testing.T, name string, mesh bool) {
	t.Helper()
	stats, err := p.web.Stats(t.Context(), `^cluster\.outbound\|80\|\|`+name+`\|shop\.(ssl\.handshake|upstream_cx_total)$`)
	if err != nil {
		t.Fatal(err)
	}
	prefix := "cluster.outbound|80||" + name + "|shop."
	made, shakes := stats[prefix+"upstream_cx_total"], stats[prefix+"ssl.handshake"]
	if made == 0 || mesh && shakes == 0 || !mesh && shakes > 0 {
		t.Errorf("%d connections and %d handshakes", made, shakes)
	}
}

// waited is how many connections of all listeners of the caller's sidecar, and of the application's, went on only because a listener
// filter had waited for long enough.
func (p *pair) waited(t *testing.T) (out, in int64) {
	t.Helper()
	count := func(proxy *envoy.Proxy, listeners string) int64 {
		name := "listener." + listeners + ".downstream_pre_cx_timeout"
		stats, err := proxy.Stats(t.Context(), "^"+regexp.QuoteMeta(name)+"$")
		if err != nil {
			t.Fatal(err)
		}
		n, there := stats[name]
		if !there {
			t.Errorf("there is no stat %s", name)
		}
		return n
	}
	return count(p.web, "outbound"), count(p.carts, "inbound")
}

// tryPlain calls every application past the caller's sidecar, in plain text.
func (p *pair) tryPlain(t *testing.T, mode ir.MTLSMode) {
	t.Helper()
	at, open := "-"+mode.String(), mode != ir.Strict
	t.Run("plain", func(t *testing.T) {
		for _, name := range []string{"http", "http2", "detect-http"} {
			got, err := get(t, p.direct[name+at], 1, http.Header{"X-Forwarded-Client-Cert": {"URI=spiffe://forged"}})
			if (err == nil) != open {
				t.Errorf("%s: %v", name, err)
			} else if err == nil && got.header.Get("Saw-X-Forwarded-Client-Cert") != "" {
				t.Errorf("%s: a forged identity arrived: %s", name, got.header)
			}
		}
		for _, name := range []string{"tcp", "detect-tcp"} {
			line := ""
			if !open {
				line = "anybody there?"
			}
			got, err := say(dial(t, p.direct[name+at]), line)
			if (err == nil) != open || open && got != "hello" {
				t.Errorf("%s: %q %v", name, got, err)
			}
		}
		for _, name := range []string{"tls", "detect-tls"} {
			for _, alpn := range []string{"line", "h2"} {
				conn := tls.Client(dial(t, p.direct[name+at]), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{alpn}})
				got, err := say(conn, "ho")
				if (err == nil) != open || open && got != "echo ho" {
					t.Errorf("%s %s: %q %v", name, alpn, got, err)
				}
			}
		}
	})
}

// tryForeign calls with certificates that do not belong here.
func (p *pair) tryForeign(t *testing.T, mode ir.MTLSMode) {
	t.Helper()
	if mode == ir.Disabled {
		return
	}
	at := "-" + mode.String()
	t.Run("foreign", func(t *testing.T) {
		callers := map[string]*tls.Config{
			"another authority":    newAuthority(t).client(webID, "outrigger-http"),
			"another trust domain": p.plane.authority.client("spiffe://cluster.local.example/ns/shop/sa/web", "outrigger-http"),
			"no certificate":       {InsecureSkipVerify: true, NextProtos: []string{"outrigger-http"}},
			"TLS 1.2": func() *tls.Config {
				c := p.plane.authority.client(webID, "outrigger-http")
				c.MaxVersion = tls.VersionTLS12
				return c
			}(),
		}
		for name, config := range callers {
			if got, err := askTLS(t, p.direct["http"+at], config); err == nil {
				t.Errorf("%s got %s", name, got)
			}
		}
		for _, alpn := range []string{"outrigger-http", "outrigger"} {
			conn := tls.Client(dial(t, p.direct["http"+at]), p.plane.authority.client(webID, alpn))
			_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Client-Cert: URI=spiffe://forged\r\n\r\n")
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Errorf("a good certificate with %s: %v", alpn, err)
				continue
			}
			saw := resp.Header.Get("Saw-X-Forwarded-Client-Cert")
			if strings.Contains(saw, "forged") || !strings.HasSuffix(saw, "URI="+webID) {
				t.Errorf("the application saw the caller %q", saw)
			}
			_ = resp.Body.Close()
		}
	})
}

// askTLS sends a request over TLS and returns the first line of the answer.
func askTLS(t *testing.T, at netip.AddrPort, config *tls.Config) (string, error) {
	t.Helper()
	conn := tls.Client(dial(t, at), config)
	return say(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r")
}

// tryAttempts: an opaque connection is tried twenty times before its caller sees it end.
func (p *pair) tryAttempts(t *testing.T) {
	if got, err := say(dial(t, p.reach["all-gone"]), ""); err == nil {
		t.Errorf("nobody is there, and says %q", got)
	}
	stats, err := p.web.Stats(t.Context(), `^cluster\.outbound\|80\|\|all-gone\|shop\.upstream_cx_connect_`)
	if err != nil {
		t.Fatal(err)
	}
	prefix := "cluster.outbound|80||all-gone|shop.upstream_cx_connect_"
	if stats[prefix+"fail"] != 20 || stats[prefix+"attempts_exceeded"] != 1 {
		t.Errorf("not twenty attempts: %v", stats)
	}
}

// tryNoneLeft: a request is tried ten times, with pauses, where nobody is there, and then answered.
func (p *pair) tryNoneLeft(t *testing.T) {
	if got, err := get(t, p.reach["none-left"], 1, nil); err != nil || got.status != http.StatusServiceUnavailable {
		t.Errorf("nobody is there: %v, %v", got, err)
	}
	const tries = "cluster.outbound|80||none-left|shop.upstream_cx_connect_fail"
	if stats, err := p.web.Stats(t.Context(), `connect_fail$`); err != nil || stats[tries] != 10 {
		t.Errorf("not ten attempts: %v, %v", stats, err)
	}
}

func (p *pair) tryPeers(t *testing.T) {
	seen := map[bool]int{}
	for range 20 {
		got, err := get(t, p.reach["mixed"], 1, nil)
		if err != nil || got.status != http.StatusOK {
			t.Fatal(got, err)
		}
		seen[got.header.Get("Saw-X-Forwarded-Client-Cert") != ""]++
	}
	if seen[true] == 0 || seen[false] == 0 {
		t.Errorf("mixed: %d by mTLS, %d in plain text", seen[true], seen[false])
	}
	for _, name := range []string{"impostor", "nobody"} {
		got, err := get(t, p.reach[name], 1, nil)
		if err != nil || got.status != http.StatusServiceUnavailable {
			t.Errorf("%s: %v %v", name, got, err)
		}
		stat := "cluster.outbound|80||" + name + "|shop.ssl.fail_verify_san"
		if stats, err := p.web.Stats(t.Context(), `fail_verify_san$`); err != nil || stats[stat] == 0 {
			t.Errorf("%s: no server was refused for its name: %v %v", name, stats, err)
		}
	}
}
