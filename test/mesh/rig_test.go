package mesh_test

import (
	"fmt"
	"strings"
	"testing"

	"outrigger.dev/outrigger/test/mesh"
	"outrigger.dev/outrigger/test/rig"
)

const clientHost = 10 // of the subnet: the workload "client"

// newRig starts a control plane over files of YAML.
func newRig(t *testing.T, files map[string]string) *rig.Loopback {
	t.Helper()
	r := prepare(t, mesh.Config{}, files)
	r.Start(t)
	return r
}

// prepare is newRig with settings, and without starting the control plane.
func prepare(t *testing.T, cfg mesh.Config, files map[string]string) *rig.Loopback {
	t.Helper()
	cfg.Binary = outrigger
	r := rig.OnLoopback(t, cfg)
	r.PutAll(t, files)
	return r
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
