package replicas_test

import (
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"outrigger.dev/outrigger/test/mesh"
	"outrigger.dev/outrigger/test/rig"
)

// The hosts of a rig.
const (
	hostA, hostB = 1, 2
	clientHost   = 10
	serverHost   = 20
	port         = 18080
)

// rigged is a mesh of two servers, a and b.
type rigged struct {
	*rig.Loopback
	a, b *server
}

// newRig prepares a mesh with a client and a server; no control plane runs yet.
func newRig(t *testing.T) *rigged {
	t.Helper()
	r := &rigged{Loopback: rig.OnLoopback(t, mesh.Config{Binary: outrigger})}
	r.a, r.b = r.server("main", hostA), r.server("b", hostB)
	t.Cleanup(r.kill)
	r.Put(t, "server.yaml", serverYAML)
	r.Put(t, "client.yaml", clientYAML(port))
	r.serve(t)
	return r
}

// kill ends the servers that still run.
func (r *rigged) kill() {
	for _, s := range []*server{r.a, r.b} {
		if s.process != nil {
			s.process.Kill()
		}
	}
}

// server is a control plane of the rig's folder, with listeners on a host.
func (r *rigged) server(name string, host int, args ...string) *server {
	s := &server{
		name: name, dataDir: r.DataDir(), xds: r.Addr(host, 18010), metrics: r.Addr(host, 18014),
		log: filepath.Join(r.Dir(), name+".log"),
	}
	s.args = append([]string{
		"--config-dir", r.ConfigDir(), "--data-dir", s.dataDir, "--replica", name,
		"--xds-listen", s.xds, "--metrics-listen", s.metrics,
	}, args...)
	return s
}

// serve runs the application behind the server's sidecar.
func (r *rigged) serve(t *testing.T) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", r.Addr(serverHost, port+1000))
	if err != nil {
		t.Fatal(err)
	}
	app := &http.Server{ReadHeaderTimeout: rig.Limit, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "hello")
	})}
	var running sync.WaitGroup
	running.Go(func() { _ = app.Serve(listener) })
	t.Cleanup(func() { app.Close(); running.Wait() })
}

// url is where the client's sidecar takes calls.
func (r *rigged) url(port int) string { return "http://" + r.Addr(clientHost, port) }

// sidecar starts the sidecar of a workload, which knows the given servers, and waits until it is ready.
func (r *rigged) sidecar(t *testing.T, workload string, servers ...string) *mesh.Sidecar {
	t.Helper()
	who := rig.Who(workload)
	who.Server = strings.Join(servers, ",")
	return r.Join(t, who)
}

// wait is `outrigger wait` with a data folder.
func (r *rigged) wait(t *testing.T, dataDir string, args ...string) (string, error) {
	t.Helper()
	return r.Outrigger(t.Context(), append([]string{"wait", "--data-dir", dataDir, "--timeout", "20s"}, args...)...)
}

// arrived waits until what stands in the folder is everywhere, and returns its revision.
func (r *rigged) arrived(t *testing.T) string {
	t.Helper()
	revision, err := r.wait(t, r.DataDir())
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(revision)
}

// answers reports whether a call by the client's sidecar comes through.
func (r *rigged) answers(port int) error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: rig.Limit}
	response, err := client.Get(r.url(port))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = rig.Body(response)
	return err
}

const serverYAML = `---
apiVersion: outrigger.dev/v1alpha1
kind: Workload
metadata: {name: server, namespace: test, labels: {app: server}}
spec: {addresses: [NET.20], serviceAccountName: server, sidecar: true}
---
apiVersion: outrigger.dev/v1alpha1
kind: ProxyConfig
metadata: {name: server, namespace: test}
spec:
  selector: {matchLabels: {app: server}}
  ingress:
    listeners: [{port: 18080, targetAddress: NET.20, targetPort: 19080}]
---
apiVersion: v1
kind: Service
metadata: {name: server, namespace: test}
spec:
  selector: {app: server}
  ports: [{name: http, port: 80, targetPort: 18080, appProtocol: http}]
`

// clientYAML is the workload "client" with a listener for the service on each port.
func clientYAML(ports ...int) string {
	var b strings.Builder
	b.WriteString(`---
apiVersion: outrigger.dev/v1alpha1
kind: Workload
metadata: {name: client, namespace: test, labels: {app: client}}
spec: {addresses: [NET.10], serviceAccountName: client, sidecar: true}
---
apiVersion: outrigger.dev/v1alpha1
kind: ProxyConfig
metadata: {name: client, namespace: test}
spec:
  selector: {matchLabels: {app: client}}
  egress:
    listeners:
`)
	for _, port := range ports {
		fmt.Fprintf(&b, "    - {address: NET.10, port: %d, service: {name: server, port: 80}}\n", port)
	}
	return b.String()
}
