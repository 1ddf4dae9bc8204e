package capture_test

import (
	"errors"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"

	"outrigger.dev/outrigger/deploy/capture"
	"outrigger.dev/outrigger/test/netlab"
	"outrigger.dev/outrigger/test/rig"
)

// The stats of the connections that the proxy took on its listeners.
const (
	outboundTaken = `^listener\.outbound\.downstream_cx_total$`
	inboundTaken  = `^listener\.inbound\.downstream_cx_total$`
	taken         = `^listener\.(in|out)bound\.downstream_cx_total$`
)

// simple is a server of a mode, a client, and a pod outside of the mesh.
func simple(t *testing.T, mode string) (r *town, client, server, outside *pod) {
	t.Helper()
	r = newRig(t, map[string]string{
		"mesh.yaml": workload("client") + workload("server") + service + authn("server", mode),
	}, "client", "server", "outside")
	client, server, outside = r.join(t, "client", capture.Exclusions{}), r.join(t, "server", capture.Exclusions{}), r.pods["outside"]
	server.serve(t)
	outside.serve(t)
	r.Synced(t, "client", "server")
	return r, client, server, outside
}

// answered checks that a page was answered by a pod to a caller with an identity; none: in plain text.
func answered(t *testing.T, by, identity string) func(string, error) {
	t.Helper()
	return func(body string, err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
			return
		}
		if !strings.HasPrefix(body, by+" ") {
			t.Errorf("the answer is %q, want it from %s", body, by)
		}
		_, cert, _ := strings.Cut(body, "cert=")
		if identity == "" && cert != "" || identity != "" && !strings.HasSuffix(cert, "URI="+rig.Identities+identity) {
			t.Errorf("the server saw the certificate %q, want that of %q", cert, identity)
		}
	}
}

//nolint:tparallel // the subtests take turns on one mesh
func TestCallByVirtualAddress(t *testing.T) {
	t.Parallel()
	_, client, server, _ := simple(t, "Strict")
	for family, vip := range vips {
		t.Run(family, func(t *testing.T) {
			answered(t, "server", "client")(get(t, caller{client.Pod, program}, at(vip, portHTTP), "/"))
			if _, err := say(t, caller{client.Pod, program}, at(vip, portTCP), false); err != nil {
				t.Errorf("TCP: %v", err)
			}
			for name, port := range map[string]int{"declared": portFirst, "detected": portDetect} {
				if _, err := say(t, caller{client.Pod, program}, at(vip, port), true); err != nil {
					t.Errorf("server first, %s: %v", name, err)
				}
			}
		})
	}
	// The two HTTP calls may share a connection between the proxies.
	if n := client.stat(t, `^cluster\.outbound.*\.ssl\.handshake$`); n < 7 {
		t.Errorf("the client's proxy made %d handshakes, want 7", n)
	}
	if n := server.stat(t, inboundTaken); n < 7 {
		t.Errorf("the server's proxy took %d connections, want 7", n)
	}
}

// The pod's own service leads through both listeners of its one proxy.
//
//nolint:tparallel // the subtests take turns on one mesh
func TestPodCallsItsOwnService(t *testing.T) {
	t.Parallel()
	_, _, server, _ := simple(t, "Strict")
	for family, vip := range vips {
		t.Run(family, func(t *testing.T) {
			answered(t, "server", "server")(get(t, caller{server.Pod, program}, at(vip, portHTTP), "/"))
			if _, err := say(t, caller{server.Pod, program}, at(vip, portFirst), true); err != nil {
				t.Error(err)
			}
		})
	}
}

// What a pod says to itself by its own address, or over loopback, has no proxy in between: else a strict pod could not speak to itself.
//
//nolint:tparallel // the subtests take turns on one mesh
func TestPodSpeaksToItself(t *testing.T) {
	t.Parallel()
	_, _, server, _ := simple(t, "Strict")
	before := server.stat(t, taken)
	for name, to := range map[string]netip.Addr{
		"IPv4": server.IPv4, "IPv6": server.IPv6, "loopback": netip.MustParseAddr("127.0.0.1"), "IPv6 loopback": netip.IPv6Loopback(),
	} {
		t.Run(name, func(t *testing.T) {
			body, err := get(t, caller{server.Pod, program}, at(to, portHTTP), "/")
			if want := "server from=" + to.String() + " cert="; err != nil || body != want {
				t.Errorf("the answer is %q, error %v, want %q", body, err, want)
			}
			if _, err := say(t, caller{server.Pod, program}, at(to, portFirst), true); err != nil {
				t.Error(err)
			}
		})
	}
	if after := server.stat(t, taken); after != before {
		t.Errorf("the proxy took %d connections", after-before)
	}
}

// An application on loopback alone stays invisible, as without a proxy.
func TestLoopbackIsNotReachedFromOutside(t *testing.T) {
	t.Parallel()
	_, client, server, outside := simple(t, "Permissive")
	server.page(t, "127.0.0.1:7000")
	server.page(t, "[::1]:7000")
	for name, from := range map[string]*pod{"the mesh": client, "outside": outside} {
		for family, to := range server.addresses() {
			if body, err := get(t, caller{from.Pod, program}, at(to, 7000), "/"); err == nil {
				t.Errorf("from %s by %s: %q", name, family, body)
			}
		}
	}
}

//nolint:tparallel // the subtests take turns on one mesh
func TestUnknownDestinations(t *testing.T) {
	t.Parallel()
	r, client, _, outside := simple(t, "Strict")
	for family, to := range outside.addresses() {
		t.Run(family, func(t *testing.T) {
			before := client.stat(t, outboundTaken)
			answered(t, "outside", "")(get(t, caller{client.Pod, program}, at(to, portHTTP), "/"))
			greeting, err := say(t, caller{client.Pod, program}, at(to, portFirst), true)
			if want := "220 welcome " + client.addresses()[family].String(); err != nil || greeting != want {
				t.Errorf("the greeting is %q, error %v, want %q", greeting, err, want)
			}
			if n := client.stat(t, outboundTaken) - before; n != 2 {
				t.Errorf("the proxy took %d connections, want both", n)
			}
		})
	}
	r.put(t, "deny.yaml", `
apiVersion: outrigger.dev/v1alpha1
kind: MeshConfig
metadata: {name: default}
spec: {outbound: {unknownDestinations: Deny}}
`)
	rig.Eventually(t, "unknown destinations are refused", func() error {
		if _, err := get(t, caller{client.Pod, program}, at(outside.IPv4, portHTTP), "/"); err == nil {
			return errors.New("it was answered")
		}
		return nil
	})
	answered(t, "server", "client")(get(t, caller{client.Pod, program}, at(vips["IPv4"], portHTTP), "/"))
}

func TestPlainClientMeetsTheModeOfTheServer(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"Permissive", "Strict", "Disabled"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			_, client, server, outside := simple(t, mode)
			for family, to := range server.addresses() {
				for name, from := range map[string]*netlab.Pod{"outside": outside.Pod, "a client by address": client.Pod} {
					body, err := get(t, caller{from, program}, at(to, portHTTP), "/")
					if mode == "Strict" {
						if err == nil {
							t.Errorf("%s, %s: %q", family, name, body)
						}
						continue
					}
					answered(t, "server", "")(body, err)
					if _, err := say(t, caller{from, program}, at(to, portFirst), true); err != nil {
						t.Errorf("%s, %s: server first: %v", family, name, err)
					}
				}
				identity := "client"
				if mode == "Disabled" {
					identity = ""
				}
				answered(t, "server", identity)(get(t, caller{client.Pod, program}, at(vips[family], portHTTP), "/"))
			}
		})
	}
}

// A port of which nobody said anything is served too.
func TestUndeclaredPort(t *testing.T) {
	t.Parallel()
	_, _, server, outside := simple(t, "Permissive")
	server.page(t, ":7001")
	server.tcp(t, ":7002", greet)
	for family, to := range server.addresses() {
		answered(t, "server", "")(get(t, caller{outside.Pod, program}, at(to, 7001), "/"))
		if _, err := say(t, caller{outside.Pod, program}, at(to, 7002), true); err != nil {
			t.Errorf("%s: server first: %v", family, err)
		}
		if _, err := get(t, caller{outside.Pod, program}, at(to, 7003), "/"); err == nil {
			t.Errorf("%s: nobody listens there, and somebody answered", family)
		}
	}
}

func TestExcludedGoesPastTheProxies(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{
		"mesh.yaml": workload("client") + workload("server") + service + authn("server", "Strict"),
	}, "client", "server", "outside", "other")
	outside, other := r.pods["outside"], r.pods["other"]
	client := r.join(t, "client", capture.Exclusions{
		OutboundPorts: []capture.PortRange{{First: portTCP, Last: portTCP}},
		OutboundCIDRs: []netip.Prefix{netip.PrefixFrom(other.IPv4, 32), netip.PrefixFrom(other.IPv6, 128)},
		Users:         []uint32{exempt},
	})
	server := r.join(t, "server", capture.Exclusions{InboundPorts: []capture.PortRange{{First: portFirst, Last: portFirst}}})
	for _, p := range []*pod{server, outside, other} {
		p.serve(t)
	}
	r.Synced(t, "client", "server")
	for _, family := range []string{"IPv4", "IPv6"} {
		past := func(name string, want int64, call func() error) {
			t.Helper()
			before := client.stat(t, outboundTaken)
			if err := call(); err != nil {
				t.Errorf("%s, %s: %v", family, name, err)
			}
			if n := client.stat(t, outboundTaken) - before; n != want {
				t.Errorf("%s, %s: the proxy took %d connections, want %d", family, name, n, want)
			}
		}
		page := func(uid int, to netip.Addr) func() error {
			return func() error { _, err := get(t, caller{client.Pod, uid}, at(to, portHTTP), "/"); return err }
		}
		to := func(p *pod) netip.Addr { return p.addresses()[family] }
		past("nothing excluded", 1, page(program, to(outside)))
		past("excluded user", 0, page(exempt, to(outside)))
		past("excluded CIDR", 0, page(program, to(other)))
		past("excluded port", 0, func() error {
			_, err := say(t, caller{client.Pod, program}, at(to(outside), portTCP), false)
			return err
		})
		// The strict server takes plain text on the port that its proxy does not see, from the peer itself.
		greeting, err := say(t, caller{outside.Pod, program}, at(to(server), portFirst), true)
		if want := "220 welcome " + to(outside).String(); err != nil || greeting != want {
			t.Errorf("%s, excluded inbound port: greeting %q, error %v, want %q", family, greeting, err, want)
		}
	}
}

// A node's kubelet asks in plain text, from outside of the pod.
func TestProbesFromTheNode(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"Permissive", "Strict"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			r, _, server, _ := simple(t, mode)
			for family, to := range server.addresses() {
				for path, port := range map[string]int{"/ready": 15021, "/metrics": 15090} {
					if _, err := get(t, caller{r.lab.Node, 0}, at(to, port), path); err != nil {
						t.Errorf("%s: %s of the proxy: %v", family, path, err)
					}
				}
				if _, err := get(t, caller{r.lab.Node, 0}, at(to, 15021), "/config_dump"); err == nil {
					t.Errorf("%s: the admin interface is open to the node", family)
				}
				_, err := get(t, caller{r.lab.Node, 0}, at(to, portHTTP), "/healthz")
				if (err == nil) != (mode == "Permissive") {
					t.Errorf("%s: the application in plain text: error %v", family, err)
				}
			}
		})
	}
}

// Whoever connects to a port of the proxy itself is sent away, once, by whatever way.
func TestOwnPortsDoNotLoop(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{
		"mesh.yaml": workload("client") + workload("server") + service,
	}, "client", "server", "outside")
	client := r.join(t, "client", capture.Exclusions{Users: []uint32{exempt}})
	server := r.join(t, "server", capture.Exclusions{})
	r.Synced(t, "client", "server")
	callers := map[string]struct {
		from *netlab.Pod
		uid  int
		to   []netip.Addr
	}{
		"its own program":         {client.Pod, program, []netip.Addr{client.IPv4, client.IPv6, netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()}},
		"an excluded user":        {client.Pod, exempt, []netip.Addr{client.IPv4, client.IPv6, netip.MustParseAddr("127.0.0.1")}},
		"the proxy":               {client.Pod, proxyUser, []netip.Addr{client.IPv4, client.IPv6, netip.MustParseAddr("127.0.0.1")}},
		"a program of the peer":   {server.Pod, program, []netip.Addr{client.IPv4, client.IPv6}},
		"the node":                {r.lab.Node, 0, []netip.Addr{client.IPv4, client.IPv6}},
		"somebody outside":        {r.pods["outside"].Pod, program, []netip.Addr{client.IPv4, client.IPv6}},
		"a program to the server": {client.Pod, program, []netip.Addr{server.IPv4, server.IPv6}},
	}
	for name, c := range callers {
		for _, to := range c.to {
			for _, port := range []int{15001, 15006, 15000, 15099} {
				before := client.stat(t, taken) + server.stat(t, taken)
				body, err := get(t, caller{c.from, c.uid}, at(to, port), "/")
				if err == nil || errors.Is(err, syscall.ETIMEDOUT) {
					t.Errorf("%s to %s, port %d: %q, error %v, want a closed connection", name, to, port, body, err)
				}
				after := client.stat(t, taken) + server.stat(t, taken)
				if after-before > 2 {
					t.Errorf("%s to %s, port %d: the proxies took %d connections", name, to, port, after-before)
				}
			}
		}
	}
}

// Most clusters have IPv4 alone.
func TestPodsWithoutIPv6(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{
		"mesh.yaml": workload("client") + workload("server") + service + authn("server", "Strict"),
	}, "client", "server")
	for _, p := range r.pods {
		if err := p.Do(func() error {
			return errors.Join(
				os.WriteFile("/proc/sys/net/ipv6/conf/all/disable_ipv6", []byte("1"), 0o644),
				os.WriteFile("/proc/sys/net/ipv6/conf/default/disable_ipv6", []byte("1"), 0o644),
			)
		}); err != nil {
			t.Fatal(err)
		}
	}
	client, server := r.join(t, "client", capture.Exclusions{}), r.join(t, "server", capture.Exclusions{})
	server.serve(t)
	r.Synced(t, "client", "server")
	for name, from := range map[string]*pod{"client": client, "server": server} {
		answered(t, "server", name)(get(t, caller{from.Pod, program}, at(vips["IPv4"], portHTTP), "/"))
		if _, err := say(t, caller{from.Pod, program}, at(vips["IPv4"], portFirst), true); err != nil {
			t.Error(err)
		}
	}
}

// A program that asks for what the proxies of others serve needs an exclusion: these ports are the proxy's own.
func TestMetricsOfOtherPods(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"mesh.yaml": workload("client") + workload("server")}, "client", "server")
	client, server := r.join(t, "client", capture.Exclusions{}), r.join(t, "server", capture.Exclusions{})
	for family, to := range server.addresses() {
		if _, err := get(t, caller{client.Pod, program}, at(to, 15090), "/metrics"); err == nil {
			t.Errorf("%s: without an exclusion the metrics were answered", family)
		}
	}
	if err := client.Do(func() error {
		return capture.Apply(capture.Config{ProxyUser: proxyUser, Exclude: capture.Exclusions{
			OutboundPorts: []capture.PortRange{{First: 15010, Last: 15010}, {First: 15090, Last: 15090}},
		}})
	}); err != nil {
		t.Fatal(err)
	}
	for family, to := range server.addresses() {
		if _, err := get(t, caller{client.Pod, program}, at(to, 15090), "/metrics"); err != nil {
			t.Errorf("%s: %v", family, err)
		}
	}
	if _, err := dial(t, caller{client.Pod, program}, at(r.lab.Node.IPv4, 15010)); err != nil {
		t.Errorf("the control plane: %v", err)
	}
}

// With a proxy that runs, the check proves the same as without.
func TestCheckBesideARunningProxy(t *testing.T) {
	t.Parallel()
	_, client, server, _ := simple(t, "Strict")
	for _, p := range []*pod{client, server} {
		var report capture.Report
		if err := p.Do(func() (err error) {
			report, err = capture.Check(t.Context(), capture.Config{ProxyUser: proxyUser})
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if !report.OK() {
			t.Errorf("%s: %+v", p.Name, report)
		}
	}
}
