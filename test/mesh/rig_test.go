package mesh_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"outrigger.dev/outrigger/test/loopback"
	"outrigger.dev/outrigger/test/mesh"
)

// testLimit is how long anything in a test may take.
const testLimit = 20 * time.Second

const (
	namespace  = "test"
	identityOf = "spiffe://cluster.local/ns/test/sa/"
	clientHost = 10 // of the subnet: the workload "client"
)

// rig is a mesh of its own for one test, on addresses of its own. In its YAML
// "NET." stands for the front of these addresses.
type rig struct {
	*mesh.Mesh
	subnet *loopback.Subnet
}

// newRig starts a control plane over files of YAML.
func newRig(t *testing.T, files map[string]string) *rig {
	t.Helper()
	r := prepare(t, mesh.Config{}, files)
	if err := r.StartServer(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	return r
}

// prepare is newRig with settings, and without starting the control plane.
func prepare(t *testing.T, cfg mesh.Config, files map[string]string) *rig {
	t.Helper()
	subnet, err := loopback.Reserve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// Not t.TempDir: with a long test name its path is too long for a socket.
	cfg.Dir, err = os.MkdirTemp("", "mesh-") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	cfg.Binary, cfg.XDS, cfg.Metrics = outrigger, subnet.Addr(1, 18010), subnet.Addr(1, 18014)
	m, err := mesh.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{Mesh: m, subnet: subnet}
	t.Cleanup(func() { r.close(t) })
	for name, text := range files {
		r.write(t, name, text)
	}
	return r
}

// close ends everything. What a failed test leaves behind is there to be read.
func (r *rig) close(t *testing.T) {
	t.Helper()
	if err := r.Close(); err != nil {
		t.Error(err)
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

func (r *rig) remove(t *testing.T, name string) {
	t.Helper()
	if err := r.Remove(name); err != nil {
		t.Fatal(err)
	}
}

// addr is the address and port of a host of the rig.
func (r *rig) addr(host, port int) string { return r.subnet.Addr(host, port) }

// sidecar starts the sidecar of a workload, whose service account has the same name, and waits until it is ready.
func (r *rig) sidecar(t *testing.T, workload string) *mesh.Sidecar {
	t.Helper()
	s, err := r.Ready(context.WithoutCancel(t.Context()), who(workload))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func who(workload string) mesh.SidecarConfig {
	return mesh.SidecarConfig{Namespace: namespace, Workload: workload, ServiceAccount: workload}
}

// eventually waits until check has no error.
func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testLimit)
	defer cancel()
	if err := mesh.Eventually(ctx, what, func(context.Context) error { return check() }); err != nil {
		t.Fatal(err)
	}
}

// synced waits until proxies have everything that they are to have.
func (r *rig) synced(t *testing.T, workloads ...string) {
	t.Helper()
	names := make([]string, len(workloads))
	for i, w := range workloads {
		names[i] = namespace + "/" + w
	}
	ctx, cancel := context.WithTimeout(t.Context(), testLimit)
	defer cancel()
	if err := r.WaitSynced(ctx, names...); err != nil {
		t.Fatal(err)
	}
}

// wlSpec is a workload in a test's YAML.
type wlSpec struct {
	name, app string
	host      int
	sidecar   bool
	health    string
	// ports are those that its sidecar serves; the application listens 1000 above.
	ports []int
}

// yaml returns the workload, and its ProxyConfig when it has a sidecar.
func (w wlSpec) yaml() string {
	var b strings.Builder
	fmt.Fprintf(&b, `---
apiVersion: outrigger.dev/v1alpha1
kind: Workload
metadata: {name: %[1]s, namespace: test, labels: {app: %[2]s, name: %[1]s}}
spec:
  addresses: [NET.%[3]d]
  serviceAccountName: %[1]s
  sidecar: %[4]t
`, w.name, w.app, w.host, w.sidecar)
	if w.health != "" {
		fmt.Fprintf(&b, "  health: %s\n", w.health)
	}
	if len(w.ports) == 0 {
		return b.String()
	}
	fmt.Fprintf(&b, `---
apiVersion: outrigger.dev/v1alpha1
kind: ProxyConfig
metadata: {name: %[1]s, namespace: test}
spec:
  selector: {matchLabels: {name: %[1]s}}
  ingress:
    listeners:
`, w.name)
	for _, port := range w.ports {
		fmt.Fprintf(&b, "    - {port: %d, targetAddress: NET.%d, targetPort: %d}\n", port, w.host, port+1000)
	}
	return b.String()
}

// svcPort is a port of a service in a test's YAML.
type svcPort struct {
	port, target int
	protocol     string // appProtocol; empty: detected
}

// service returns a Service over the workloads with the label app.
func service(name, app string, ports ...svcPort) string {
	var b strings.Builder
	fmt.Fprintf(&b, `---
apiVersion: v1
kind: Service
metadata: {name: %s, namespace: test}
spec:
  selector: {app: %s}
  ports:
`, name, app)
	for _, p := range ports {
		fmt.Fprintf(&b, "  - {name: p%d, port: %d, targetPort: %d", p.port, p.port, p.target)
		if p.protocol != "" {
			fmt.Fprintf(&b, ", appProtocol: %s", p.protocol)
		}
		b.WriteString("}\n")
	}
	return b.String()
}

// egress says on which port of the client's sidecar a port of a service is reached.
type egress struct {
	listen  int
	service string
	port    int
}

// client returns the workload "client", which calls services and serves nothing.
func client(listeners ...egress) string {
	var b strings.Builder
	b.WriteString(wlSpec{name: "client", app: "client", host: clientHost, sidecar: true}.yaml())
	b.WriteString(`---
apiVersion: outrigger.dev/v1alpha1
kind: ProxyConfig
metadata: {name: client, namespace: test}
spec:
  selector: {matchLabels: {app: client}}
  egress:
    listeners:
`)
	for _, e := range listeners {
		fmt.Fprintf(&b, "    - {address: NET.%d, port: %d, service: {name: %s, port: %d}}\n", clientHost, e.listen, e.service, e.port)
	}
	return b.String()
}

// authn returns an AuthenticationPolicy for the workloads with the label app.
func authn(name, app, mode string, ports ...string) string {
	text := fmt.Sprintf(`---
apiVersion: outrigger.dev/v1alpha1
kind: AuthenticationPolicy
metadata: {name: %s, namespace: test}
spec:
  selector: {matchLabels: {app: %s}}
  peer:
    mode: %s
`, name, app, mode)
	if len(ports) == 0 {
		return text
	}
	return text + "    ports: [" + strings.Join(ports, ", ") + "]\n"
}
