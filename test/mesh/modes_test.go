package mesh_test

import (
	"crypto/tls"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"outrigger.dev/outrigger/test/load"
	"outrigger.dev/outrigger/test/mesh"
	"outrigger.dev/outrigger/test/rig"
)

// What a sidecar of the mesh says it wants to speak.
const (
	alpnHTTP = "outrigger-http"
	alpnTCP  = "outrigger"
)

// callers are the clients of the mode tests, by what they show.
func callers(t *testing.T, r *rig.Loopback, alpn string) map[string]*tls.Config {
	t.Helper()
	forger, err := r.Forger()
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := mesh.Stranger()
	if err != nil {
		t.Fatal(err)
	}
	with := func(f *mesh.Forger, id string) *tls.Config {
		config, err := f.Client(id, alpn)
		if err != nil {
			t.Fatal(err)
		}
		return config
	}
	none := with(forger, rig.Identities+"client")
	none.GetClientCertificate = nil
	return map[string]*tls.Config{
		"plain text":          nil,
		"mesh":                with(forger, rig.Identities+"client"),
		"foreign authority":   with(stranger, rig.Identities+"client"),
		"other trust domain":  with(forger, "spiffe://elsewhere.example/ns/test/sa/client"),
		"longer trust domain": with(forger, "spiffe://cluster.local.example/ns/test/sa/client"),
		"no certificate":      none,
	}
}

//nolint:tparallel // the subtests take turns on one mesh
func TestModesByWorkloadAndPort(t *testing.T) {
	t.Parallel()
	ports := []int{portHTTP, portTCP, portHTTP2, portFirst}
	server := wlSpec{name: "server", app: "server", host: 20, sidecar: true, ports: ports}
	r := newRig(t, map[string]string{
		"server.yaml": server.yaml() +
			service("server", "server", svcPort{portHTTP, portHTTP, "http"}, svcPort{portTCP, portTCP, "tcp"},
				svcPort{portHTTP2, portHTTP2, "http"}, svcPort{portFirst, portFirst, "tcp"}) +
			authn("server", "server", "Strict", fmt.Sprintf("{port: %d, mode: Permissive}", portHTTP2), fmt.Sprintf("{port: %d, mode: Disabled}", portFirst)),
	})
	servePage(t, r.Addr(20, portHTTP+1000), "strict")
	serveTCP(t, r.Addr(20, portTCP+1000), echo)
	servePage(t, r.Addr(20, portHTTP2+1000), "permissive")
	serveTCP(t, r.Addr(20, portFirst+1000), echo)
	r.Join(t, rig.Who("server"))

	http := func(address string, config *tls.Config) error {
		_, err := get(t, address, config, "HTTP/1.1")
		return err
	}
	tcp := func(address string, config *tls.Config) error { return echoTCP(t, address, config) }
	for _, port := range []struct {
		name    string
		port    int
		alpn    string
		call    func(string, *tls.Config) error
		answers []string
	}{
		{"strict HTTP", portHTTP, alpnHTTP, http, []string{"mesh"}},
		{"strict TCP", portTCP, alpnTCP, tcp, []string{"mesh"}},
		{"permissive HTTP", portHTTP2, alpnHTTP, http, []string{"mesh", "plain text"}},
		{"disabled TCP", portFirst, alpnTCP, tcp, []string{"plain text"}},
	} {
		want := map[string]bool{}
		for _, who := range port.answers {
			want[who] = true
		}
		for who, config := range callers(t, r, port.alpn) {
			t.Run(port.name+" for "+who, func(t *testing.T) {
				err := port.call(r.Addr(20, port.port), config)
				if (err == nil) != want[who] {
					t.Errorf("error %v, want it answered: %t", err, want[who])
				}
			})
		}
	}
}

// The impostor has a certificate of the mesh, but another name than the
// workload whose address it has taken.
func TestClientRefusesAServerOfAnotherName(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{
		"server.yaml": wlSpec{name: "server", app: "server", host: 20, sidecar: true}.yaml() + service("server", "server", svcPort{80, portTCP, "tcp"}),
		"client.yaml": client(egress{portTCP, "server", 80}),
	})
	forger, err := r.Forger()
	if err != nil {
		t.Fatal(err)
	}
	var name atomic.Value // the server reads it while the test writes it
	config := &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{alpnTCP},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			cert, err := forger.Certificate(name.Load().(string))
			return &cert, err
		},
	}
	name.Store(rig.Identities + "thief")
	serveListener(t, tls.NewListener(listen(t, r.Addr(20, portTCP)), config), echo)
	c := r.Join(t, rig.Who("client"))
	if err := echoTCP(t, r.Addr(clientHost, portTCP), nil); err == nil {
		t.Error("a server named sa/thief at the address of server was believed")
	}
	stats, err := c.Stats(t.Context(), `ssl\.fail_verify_san$`)
	if err != nil {
		t.Fatal(err)
	}
	var refused int64
	for _, n := range stats {
		refused += n
	}
	if refused == 0 {
		t.Errorf("no certificate was refused for its name: %v", stats)
	}
	name.Store(rig.Identities + "server")
	rig.Eventually(t, "the same server with the right name is reached", func() error {
		return echoTCP(t, r.Addr(clientHost, portTCP), nil)
	})
}

// TestClientsFollowTheMode: the same endpoint goes from mesh mTLS to plain text and back while clients know it. Whoever spoke
// on as before would be refused for as long as its cluster stays.
func TestClientsFollowTheMode(t *testing.T) {
	t.Parallel()
	server := wlSpec{name: "server", app: "server", host: 20, sidecar: true, ports: []int{portHTTP, portTCP}}
	r := newRig(t, map[string]string{
		"server.yaml": server.yaml() + service("server", "server", svcPort{80, portHTTP, "http"}, svcPort{81, portTCP, "tcp"}),
		"policy.yaml": authn("server", "server", "Permissive"),
		"client.yaml": client(egress{portHTTP, "server", 80}, egress{portTCP, "server", 81}),
	})
	servePage(t, r.Addr(20, portHTTP+1000), "server")
	serveTCP(t, r.Addr(20, portTCP+1000), echo)
	r.Join(t, rig.Who("server"))
	r.Join(t, rig.Who("client"))
	for _, mode := range []string{"Permissive", "Disabled", "Strict", "Disabled", "Permissive"} {
		r.Put(t, "policy.yaml", authn("server", "server", mode))
		rig.Eventually(t, "the client speaks as "+mode+" wants it", func() error {
			answer, err := get1(t, r.Addr(clientHost, portHTTP))
			if err != nil {
				return err
			}
			if named := strings.Contains(answer, "URI="+rig.Identities+"client"); named != (mode != "Disabled") {
				return fmt.Errorf("the caller's name was seen: %t", named)
			}
			return echoTCP(t, r.Addr(clientHost, portTCP), nil)
		})
	}
}

func TestPolicyEditOnARunningMesh(t *testing.T) {
	t.Parallel()
	server := wlSpec{name: "server", app: "server", host: 20, sidecar: true, ports: []int{portHTTP}}
	r := newRig(t, map[string]string{
		"server.yaml": server.yaml() + service("server", "server", svcPort{80, portHTTP, "http"}),
		"policy.yaml": authn("server", "server", "Permissive"),
		"client.yaml": client(egress{portHTTP, "server", 80}),
	})
	servePage(t, r.Addr(20, portHTTP+1000), "server")
	r.Join(t, rig.Who("server"))
	r.Join(t, rig.Who("client"))
	if _, err := get1(t, r.Addr(20, portHTTP)); err != nil {
		t.Fatalf("permissive mode refuses plain text: %v", err)
	}
	l := load.Start(t.Context(), load.Config{URL: "http://" + r.Addr(clientHost, portHTTP)})
	defer l.Stop()
	for _, mode := range []string{"Strict", "Permissive", "Strict"} {
		r.Put(t, "policy.yaml", authn("server", "server", mode))
		rig.Eventually(t, "plain text meets "+mode, func() error {
			_, err := get1(t, r.Addr(20, portHTTP))
			if (err == nil) != (mode == "Permissive") {
				return fmt.Errorf("error %v", err) //nolint:errorlint // nil is one of the two ways to fail
			}
			return nil
		})
	}
	if err := l.Stop().Err(); err != nil {
		t.Errorf("the client's sidecar was harmed: %v", err)
	}
}
