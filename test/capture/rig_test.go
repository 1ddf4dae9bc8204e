package capture_test

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"outrigger.dev/outrigger/deploy/capture"
	"outrigger.dev/outrigger/test/mesh"
	"outrigger.dev/outrigger/test/netlab"
	"outrigger.dev/outrigger/test/rig"
)

const (
	proxyUser = capture.DefaultProxyUser
	program   = 1000 // whoever a program runs as
	exempt    = 2000 // a user who is excluded where a test says so
)

// town is a mesh of captured pods for one test.
type town struct {
	*rig.Rig
	lab  *netlab.Lab
	pods map[string]*pod
}

// pod is a pod with its sidecar; one outside of the mesh has none.
type pod struct {
	*netlab.Pod
	sidecar *mesh.Sidecar
}

// addresses are those of both families.
func (p *pod) addresses() map[string]netip.Addr {
	return map[string]netip.Addr{"IPv4": p.IPv4, "IPv6": p.IPv6}
}

// newRig makes pods, and starts a control plane over files of YAML, in which "<pod>.4" and "<pod>.6" in angle brackets stand for addresses.
func newRig(t *testing.T, files map[string]string, pods ...string) *town {
	t.Helper()
	lab := netlab.New(t)
	r := &town{lab: lab, pods: map[string]*pod{}, Rig: rig.New(t, mesh.Config{
		Binary: outrigger, XDS: lab.Node.IPv4.String() + ":15010", Metrics: "127.0.0.1:15014",
		Place: lab.Node.Place(0), Dial: lab.Node.Dial,
	})}
	// The users of the pods find their own folders in it.
	if err := os.Chmod(r.Dir(), 0o711); err != nil { //nolint:gosec // see above
		t.Fatal(err)
	}
	for _, name := range pods {
		r.pods[name] = &pod{Pod: lab.Pod(t, name)}
	}
	for name, text := range files {
		r.put(t, name, text)
	}
	r.Start(t)
	return r
}

// put writes a file into the folder of YAML, with the addresses of pods.
func (r *town) put(t *testing.T, name, text string) {
	t.Helper()
	for name, p := range r.pods {
		text = strings.ReplaceAll(text, "<"+name+".4>", p.IPv4.String())
		text = strings.ReplaceAll(text, "<"+name+".6>", p.IPv6.String())
	}
	r.Put(t, name, text)
}

// join captures a pod, and starts its sidecar, which has the readiness and metrics of a pod.
func (r *town) join(t *testing.T, name string, exclude capture.Exclusions) *pod {
	t.Helper()
	p := r.pods[name]
	if err := p.Do(func() error {
		return capture.Apply(capture.Config{ProxyUser: proxyUser, Exclude: exclude})
	}); err != nil {
		t.Fatal(err)
	}
	who := rig.Who(name)
	who.Place, who.Bootstrap = p.Place(proxyUser), []string{"--ready", "[::]:15021", "--metrics", "[::]:15090"}
	p.sidecar = r.Join(t, who)
	return p
}

// stat is the sum of a pod's stats whose names match a regular expression.
func (p *pod) stat(t *testing.T, filter string) int64 {
	t.Helper()
	stats, err := p.sidecar.Stats(t.Context(), filter)
	if err != nil {
		t.Fatal(err)
	}
	var sum int64
	for _, n := range stats {
		sum += n
	}
	return sum
}

// workload is a pod of the mesh in YAML.
func workload(name string) string {
	return fmt.Sprintf(`---
apiVersion: outrigger.dev/v1alpha1
kind: Workload
metadata: {name: %[1]s, namespace: test, labels: {app: %[1]s}}
spec: {addresses: [<%[1]s.4>, "<%[1]s.6>"], serviceAccountName: %[1]s, sidecar: true}
`, name)
}

// Ports of the applications, and of their services.
const (
	portHTTP   = 8080
	portTCP    = 9000
	portFirst  = 9001 // the server speaks first, declared
	portDetect = 9002 // the server speaks first, nothing is declared
)

var vips = map[string]netip.Addr{"IPv4": netip.MustParseAddr("10.96.0.10"), "IPv6": netip.MustParseAddr("fd00:96::10")}

// service is the service of the pod "server", with a virtual address of each family.
const service = `---
apiVersion: v1
kind: Service
metadata: {name: server, namespace: test}
spec:
  clusterIPs: [10.96.0.10, "fd00:96::10"]
  selector: {app: server}
  ports:
  - {name: http, port: 8080}
  - {name: tcp, port: 9000}
  - {name: tcp-first, port: 9001}
  - {name: any, port: 9002}
`

// authn is what a pod accepts.
func authn(name, mode string) string {
	return fmt.Sprintf(`---
apiVersion: outrigger.dev/v1alpha1
kind: AuthenticationPolicy
metadata: {name: %[1]s, namespace: test}
spec:
  selector: {matchLabels: {app: %[1]s}}
  peer: {mode: %[2]s}
`, name, mode)
}
