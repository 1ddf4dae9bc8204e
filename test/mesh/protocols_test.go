package mesh_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"maps"
	"strings"
	"testing"

	"outrigger.dev/outrigger/test/mesh"
	"outrigger.dev/outrigger/test/rig"
)

// Ports at which the sidecar of a server serves its application.
const (
	portHTTP = 18001 + iota
	portHTTP2
	portGRPC
	portTCP
	portTLS
	portDetect      // says nothing, the application speaks HTTP and TCP
	portFirst       // declared TCP, the server speaks first
	portDetectFirst // says nothing, the server speaks first
	portsEnd
)

var appProtocols = map[int]string{
	portHTTP: "http", portHTTP2: "http2", portGRPC: "grpc", portTCP: "tcp", portTLS: "tls", portFirst: "tcp",
}

// modes are the servers of the protocol tests: each has all ports, and a mode.
// Whoever gets an answer from the strict one spoke mutual TLS.
var modes = []struct {
	name string
	host int
	base int // of the client's listeners: base + port is where a port is reached
	mtls bool
}{
	{name: "permissive", host: 20, base: 1000, mtls: true},
	{name: "strict", host: 30, base: 2000, mtls: true},
	{name: "disabled", host: 40, base: 3000, mtls: false},
}

//nolint:tparallel // the subtests take turns on one mesh
func TestProtocolsInEveryMode(t *testing.T) {
	t.Parallel()
	r := newRig(t, protocolFiles())
	stranger, err := mesh.Stranger()
	if err != nil {
		t.Fatal(err)
	}
	own, err := stranger.Certificate("https://application.example")
	if err != nil {
		t.Fatal(err)
	}
	for _, mode := range modes {
		serveAll(t, r, mode.host, own)
		r.Join(t, rig.Who(mode.name))
	}
	c := r.Join(t, rig.Who("client"))
	for _, mode := range modes {
		at := func(port int) string { return r.Addr(clientHost, mode.base+port) }
		t.Run(mode.name, func(t *testing.T) {
			for name, check := range protocols(t, c, at, mode.mtls, own) {
				t.Run(name, func(t *testing.T) {
					if err := check(); err != nil {
						t.Error(err)
					}
				})
			}
		})
	}
}

func protocolFiles() map[string]string {
	files := map[string]string{}
	var listeners []egress
	for _, mode := range modes {
		server := wlSpec{name: mode.name, app: mode.name, host: mode.host, sidecar: true}
		var ports []svcPort
		for port := portHTTP; port < portsEnd; port++ {
			server.ports = append(server.ports, port)
			ports = append(ports, svcPort{port: port, target: port, protocol: appProtocols[port]})
			listeners = append(listeners, egress{listen: mode.base + port, service: mode.name, port: port})
		}
		capital := strings.ToUpper(mode.name[:1]) + mode.name[1:]
		files[mode.name+".yaml"] = service(mode.name, mode.name, ports...) + server.yaml() + authn(mode.name, mode.name, capital)
	}
	maps.Copy(files, map[string]string{"client.yaml": client(listeners...)})
	return files
}

// serveAll runs the applications of one server.
func serveAll(t *testing.T, r *rig.Loopback, host int, own tls.Certificate) {
	t.Helper()
	at := func(port int) string { return r.Addr(host, port+1000) }
	servePage(t, at(portHTTP), "http")
	servePage(t, at(portHTTP2), "http2")
	serveRPC(t, at(portGRPC))
	serveTCP(t, at(portTCP), echo)
	serveTLS(t, at(portTLS), own)
	serveBoth(t, at(portDetect), "detected")
	serveTCP(t, at(portFirst), greet)
	serveTCP(t, at(portDetectFirst), greet)
}

// protocols are checks that call every port of a server through both sidecars.
func protocols(t *testing.T, client *mesh.Sidecar, at func(int) string, mtls bool, own tls.Certificate) map[string]func() error {
	t.Helper()
	answered := func(want string) func(string, error) error {
		return func(got string, err error) error {
			if err != nil {
				return err
			}
			if !strings.HasPrefix(got, want) {
				return fmt.Errorf("the answer is %q, want %q in front", got, want)
			}
			if named := strings.Contains(got, "URI="+rig.Identities+"client"); named != mtls {
				return fmt.Errorf("the caller's name was seen: %t, want %t: %q", named, mtls, got)
			}
			return nil
		}
	}
	return map[string]func() error{
		"HTTP/1.1":               func() error { return answered("http HTTP/1.1")(get1(t, at(portHTTP))) },
		"HTTP/1.0":               func() error { return answered("http HTTP/1")(get(t, at(portHTTP), nil, "HTTP/1.0")) },
		"WebSocket":              func() error { return webSocket(t, at(portHTTP)) },
		"HTTP/2":                 func() error { return answered("http2 HTTP/2.0")(get2(t, at(portHTTP2))) },
		"gRPC unary":             func() error { return answered("")(unary(t, at(portGRPC))) },
		"gRPC stream":            func() error { return stream(t, at(portGRPC)) },
		"TCP":                    func() error { return echoTCP(t, at(portTCP), nil) },
		"TLS passed through":     func() error { return echoTCP(t, at(portTLS), pinned(own)) },
		"HTTP/1.1 detected":      func() error { return answered("detected HTTP/1.1")(get1(t, at(portDetect))) },
		"HTTP/2 detected":        func() error { return answered("detected HTTP/2.0")(get2(t, at(portDetect))) },
		"TCP detected":           func() error { return echoTCP(t, at(portDetect), nil) },
		"server first":           func() error { return greetingAfter(t, client, at(portFirst), 0) },
		"server first, detected": func() error { return greetingAfter(t, client, at(portDetectFirst), 1) },
	}
}

// pinned is the TLS of a client that believes one certificate only.
func pinned(cert tls.Certificate) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, InsecureSkipVerify: true,
		VerifyPeerCertificate: func(shown [][]byte, _ [][]*x509.Certificate) error {
			if string(shown[0]) != string(cert.Certificate[0]) {
				return fmt.Errorf("the server showed another certificate")
			}
			return nil
		},
	}
}

// greetingAfter checks a server that speaks first, and how often its client had
// to wait until detection gave up.
func greetingAfter(t *testing.T, client *mesh.Sidecar, address string, waits int64) error {
	t.Helper()
	const stat = "listener.outbound.downstream_pre_cx_timeout"
	before, err := client.Stats(t.Context(), stat)
	if err != nil {
		return err
	}
	if err := greeting(t, address); err != nil {
		return err
	}
	after, err := client.Stats(t.Context(), stat)
	if waited := after[stat] - before[stat]; err == nil && waited != waits {
		err = fmt.Errorf("the client waited %d times, want %d", waited, waits)
	}
	return err
}
