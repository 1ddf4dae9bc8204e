package replicas_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"outrigger.dev/outrigger/test/loopback"
	"outrigger.dev/outrigger/test/mesh"
)

// The hosts of a rig.
const (
	hostA, hostB = 1, 2
	clientHost   = 10
	serverHost   = 20
	port         = 18080
)

// rig is a mesh of two servers, a and b, on addresses of its own. In its YAML "NET." stands for their front.
type rig struct {
	*mesh.Mesh
	subnet *loopback.Subnet
	a, b   *server
}

// newRig prepares a mesh with a client and a server; no control plane runs yet.
func newRig(t *testing.T) *rig {
	t.Helper()
	subnet, err := loopback.Reserve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// Not t.TempDir: with a long test name its path is too long for a socket.
	dir, err := os.MkdirTemp("", "mesh-") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	m, err := mesh.New(mesh.Config{Binary: outrigger, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{Mesh: m, subnet: subnet}
	r.a, r.b = r.server("main", hostA), r.server("b", hostB)
	t.Cleanup(func() { r.close(t) })
	r.write(t, "server.yaml", serverYAML)
	r.write(t, "client.yaml", clientYAML(port))
	r.serve(t)
	return r
}

// server is a control plane of the rig's folder, with listeners on a host.
func (r *rig) server(name string, host int, args ...string) *server {
	s := &server{
		name: name, dataDir: r.DataDir(), xds: r.subnet.Addr(host, 18010), metrics: r.subnet.Addr(host, 18014),
		log: filepath.Join(r.Dir(), name+".log"),
	}
	s.args = append([]string{
		"--config-dir", r.ConfigDir(), "--data-dir", s.dataDir, "--replica", name,
		"--xds-listen", s.xds, "--metrics-listen", s.metrics,
	}, args...)
	return s
}

// close ends everything. What a failed test leaves behind is there to be read.
func (r *rig) close(t *testing.T) {
	t.Helper()
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	for _, s := range []*server{r.a, r.b} {
		if s.process != nil {
			s.process.Kill()
		}
	}
	if err := r.subnet.Close(); err != nil {
		t.Error(err)
	}
	if t.Failed() {
		t.Logf("the mesh's folder, with all logs: %s", r.Dir())
		return
	}
	if err := os.RemoveAll(r.Dir()); err != nil {
		t.Error(err)
	}
}

func (r *rig) write(t *testing.T, name, text string) {
	t.Helper()
	if err := r.Write(name, strings.ReplaceAll(text, "NET.", r.subnet.Prefix())); err != nil {
		t.Fatal(err)
	}
}

// serve runs the application behind the server's sidecar.
func (r *rig) serve(t *testing.T) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", r.subnet.Addr(serverHost, port+1000))
	if err != nil {
		t.Fatal(err)
	}
	app := &http.Server{ReadHeaderTimeout: testLimit, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "hello")
	})}
	var running sync.WaitGroup
	running.Go(func() { _ = app.Serve(listener) })
	t.Cleanup(func() { app.Close(); running.Wait() })
}

// url is where the client's sidecar takes calls.
func (r *rig) url(port int) string { return "http://" + r.subnet.Addr(clientHost, port) }

// sidecar starts the sidecar of a workload, which knows the given servers, and waits until it is ready.
func (r *rig) sidecar(t *testing.T, workload string, servers ...string) *mesh.Sidecar {
	t.Helper()
	s, err := r.Ready(context.WithoutCancel(t.Context()), mesh.SidecarConfig{
		Namespace: "test", Workload: workload, ServiceAccount: workload, Server: strings.Join(servers, ","),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// wait is `outrigger wait` with a data folder.
func (r *rig) wait(t *testing.T, dataDir string, args ...string) (string, error) {
	t.Helper()
	return r.Outrigger(t.Context(), append([]string{"wait", "--data-dir", dataDir, "--timeout", "20s"}, args...)...)
}

// arrived waits until what stands in the folder is everywhere, and returns its revision.
func (r *rig) arrived(t *testing.T) string {
	t.Helper()
	revision, err := r.wait(t, r.DataDir())
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(revision)
}

// answers reports whether a call by the client's sidecar comes through.
func (r *rig) answers(port int) error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: testLimit}
	response, err := client.Get(r.url(port))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", response.Status)
	}
	return nil
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
