package proxyless

import (
	"crypto/tls"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"outrigger.dev/outrigger/test/mesh"
	"outrigger.dev/outrigger/test/rig"
)

const appPort = 9000

// workload returns a workload with the label app; how is "proxyless: true", "sidecar: true" or nothing.
func workload(name, app string, host int, how string) string {
	return fmt.Sprintf(`---
apiVersion: outrigger.dev/v1alpha1
kind: Workload
metadata: {name: %[1]s, namespace: test, labels: {app: %[2]s, name: %[1]s}}
spec:
  addresses: [NET.%[3]d]
  serviceAccountName: %[1]s
  %[4]s
`, name, app, host, how)
}

func service(name string) string {
	return fmt.Sprintf(`---
apiVersion: v1
kind: Service
metadata: {name: %[1]s, namespace: test}
spec:
  selector: {app: %[1]s}
  ports: [{name: grpc, port: 80, targetPort: %[2]d}]
`, name, appPort)
}

// behindSidecar is a workload whose sidecar serves the application 1,000 ports above.
func behindSidecar(name string, host int) string {
	return workload(name, name, host, "sidecar: true") + service(name) + fmt.Sprintf(`---
apiVersion: outrigger.dev/v1alpha1
kind: ProxyConfig
metadata: {name: %[1]s, namespace: test}
spec:
  selector: {matchLabels: {name: %[1]s}}
  ingress:
    listeners: [{port: %[2]d, targetAddress: NET.%[3]d, targetPort: %[4]d}]
`, name, appPort, host, appPort+1000)
}

func authn(app, mode string) string {
	return fmt.Sprintf(`---
apiVersion: outrigger.dev/v1alpha1
kind: AuthenticationPolicy
metadata: {name: %[1]s, namespace: test}
spec: {selector: {matchLabels: {app: %[1]s}}, peer: {mode: %[2]s}}
`, app, mode)
}

// client is a workload whose sidecar reaches services on ports from 7001 on.
func client(host int, services ...string) string {
	text := workload("client", "client", host, "sidecar: true") + `---
apiVersion: outrigger.dev/v1alpha1
kind: ProxyConfig
metadata: {name: client, namespace: test}
spec:
  selector: {matchLabels: {app: client}}
  egress:
    listeners:
`
	for i, s := range services {
		text += fmt.Sprintf("    - {address: NET.%d, port: %d, service: {name: %s, port: 80}}\n", host, 7001+i, s)
	}
	return text
}

// TestCallsInBothDirections: programs without a proxy and sidecars call each other by mTLS, each knows who the other is,
// and who is not of the mesh is refused.
//
//nolint:tparallel // the calls are parallel, and what comes after them waits for their group
func TestCallsInBothDirections(t *testing.T) {
	t.Parallel()
	r := newRig(t, mesh.Config{}, map[string]string{"mesh.yaml": service("greeter") + service("open") +
		workload("greeter", "greeter", 20, "proxyless: true") +
		workload("open", "open", 21, "proxyless: true") + authn("open", "Disabled") +
		workload("dialer", "dialer", 22, "proxyless: true") +
		workload("bare", "bare", 23, "sidecar: false") + service("bare") +
		behindSidecar("permissive", 30) + behindSidecar("strict", 31) + authn("strict", "Strict") +
		client(10, "greeter", "open", "strict")})
	for name, host := range map[string]int{"permissive": 30, "strict": 31} {
		plainApp(t, r.Addr(host, appPort+1000), name)
		r.Join(t, rig.Who(name))
	}
	plainApp(t, r.Addr(23, appPort), "bare")
	r.Join(t, rig.Who("client"))
	for name, host := range map[string]int{"greeter": 20, "open": 21} {
		bootstrap, _ := r.program(t, name)
		xdsServer(t, r.Addr(host, appPort), name, bootstrap)
	}
	dialer, _ := r.program(t, "dialer")

	forger, err := r.Forger()
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := mesh.Stranger()
	if err != nil {
		t.Fatal(err)
	}
	shows := func(f *mesh.Forger) *tls.Config {
		config, err := f.Client(rig.Identities+"client", "h2")
		if err != nil {
			t.Fatal(err)
		}
		return config
	}
	nothing := shows(forger)
	nothing.GetClientCertificate = nil
	server := r.Addr(20, appPort)
	calls := map[string]expected{
		"program to program":             {conn: xdsDial(t, "greeter.test:80", dialer), want: answer{"greeter", rig.Identities + "dialer"}},
		"program to open program":        {conn: xdsDial(t, "open.test:80", dialer), want: answer{"open", ""}},
		"program to plain application":   {conn: xdsDial(t, "bare.test:80", dialer), want: answer{"bare", ""}},
		"program to permissive sidecar":  {conn: xdsDial(t, "permissive.test:80", dialer), want: answer{"permissive", "URI=" + rig.Identities + "dialer"}},
		"program to strict sidecar":      {conn: xdsDial(t, "strict.test:80", dialer), want: answer{"strict", "URI=" + rig.Identities + "dialer"}},
		"sidecar to program":             {conn: plainDial(t, r.Addr(10, 7001), nil), want: answer{"greeter", rig.Identities + "client"}},
		"sidecar to open program":        {conn: plainDial(t, r.Addr(10, 7002), nil), want: answer{"open", ""}},
		"sidecar to sidecar":             {conn: plainDial(t, r.Addr(10, 7003), nil), want: answer{"strict", "URI=" + rig.Identities + "client"}},
		"certificate of the mesh":        {conn: plainDial(t, server, shows(forger)), want: answer{"greeter", rig.Identities + "client"}},
		"plain text to a program":        {conn: plainDial(t, server, nil), refuse: true},
		"foreign authority":              {conn: plainDial(t, server, shows(stranger)), refuse: true},
		"no certificate":                 {conn: plainDial(t, server, nothing), refuse: true},
		"program to what does not exist": {conn: xdsDial(t, "nowhere.test:80", dialer), refuse: true},
	}
	t.Run("calls", func(t *testing.T) {
		for name, c := range calls {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				c.check(t)
			})
		}
	})
	r.settled(t, "greeter", "open", "dialer", "client", "permissive", "strict")
}

// expected is what a call comes to.
type expected struct {
	conn   *grpc.ClientConn
	want   answer
	refuse bool
}

func (e expected) check(t *testing.T) {
	t.Helper()
	got, err := call(t.Context(), e.conn)
	switch {
	case e.refuse && err == nil:
		t.Errorf("%s answered", got.instance)
	case e.refuse && status.Code(err) != codes.Unavailable && status.Code(err) != codes.DeadlineExceeded:
		t.Errorf("refused with %v", err)
	case !e.refuse && (err != nil || got.instance != e.want.instance || !strings.HasSuffix(got.caller, e.want.caller)):
		t.Errorf("%+v, %v; want %+v", got, err, e.want)
	}
}
