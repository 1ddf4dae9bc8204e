package rude_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"outrigger.dev/outrigger/certs"
	"outrigger.dev/outrigger/test/bench/adsclient"
	"outrigger.dev/outrigger/test/mesh"
	"outrigger.dev/outrigger/test/rig"
)

const (
	trustDomain = "cluster.local"
	services    = 20
	good        = 20
	envoys      = 2
)

// rigged is a control plane, as a process, with a mesh of services and of clients that see them all.
type rigged struct {
	*rig.Loopback
	tls    *tls.Config
	signer *certs.TokenSigner
}

func newRig(t *testing.T, rude int) *rigged {
	t.Helper()
	r := &rigged{Loopback: rig.OnLoopback(t, mesh.Config{Binary: outrigger})}
	r.writeClients(t, rude)
	for i := range services {
		r.writeService(t, i, 0)
	}
	r.Start(t)
	r.trust(t)
	return r
}

// trust reads what clients need from the data folder.
func (r *rigged) trust(t *testing.T) {
	t.Helper()
	roots, _, err := certs.ReadRoots(r.DataDir())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(roots)
	r.tls = &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: pool, ServerName: "outrigger", NextProtos: []string{"h2"}}
	if r.signer, err = certs.NewTokenSigner(certs.TokenConfig{Dir: r.DataDir(), TrustDomain: trustDomain}); err != nil {
		t.Fatal(err)
	}
}

// token is that of a client.
func (r *rigged) token(t *testing.T, workload string) string {
	t.Helper()
	return r.tokenOf(t, "client", workload)
}

func (r *rigged) tokenOf(t *testing.T, account, workload string) string {
	t.Helper()
	token, _, err := r.signer.Sign(t.Context(), certs.TokenRequest{Namespace: "bench", ServiceAccount: account, Workload: workload})
	if err != nil {
		t.Fatal(err)
	}
	return token.Reveal()
}

const (
	workloadYAML = `---
apiVersion: outrigger.dev/v1alpha1
kind: Workload
metadata: {name: %[1]s, namespace: bench, labels: {app: %[2]s}}
spec: {addresses: [%[3]s], serviceAccountName: %[2]s, sidecar: true}
`
	configYAML = `---
apiVersion: outrigger.dev/v1alpha1
kind: ProxyConfig
metadata: {name: %[1]s, namespace: bench}
spec:
  selector: {matchLabels: {app: %[1]s}}
  egress:
    listeners: [{address: %[2]s, port: 18080, service: {name: service-0, port: 80}}]
    services: [{namespace: "*", name: "*"}]
`
	serviceYAML = `---
apiVersion: v1
kind: Service
metadata: {name: %[1]s, namespace: bench}
spec: {clusterIP: %[2]s, selector: {app: %[1]s}, ports: [{name: http, port: 80, targetPort: 8080}]}
`
)

func (r *rigged) writeClients(t *testing.T, rude int) {
	t.Helper()
	var text strings.Builder
	for i := range good {
		fmt.Fprintf(&text, workloadYAML, fmt.Sprint("good-", i), "client", fmt.Sprint("10.10.0.", i+1))
	}
	for i := range rude {
		fmt.Fprintf(&text, workloadYAML, fmt.Sprint("rude-", i), "client", fmt.Sprint("10.11.0.", i+1))
	}
	fmt.Fprintf(&text, configYAML, "client", "127.0.0.1")
	for i := range envoys {
		fmt.Fprintf(&text, workloadYAML, envoyName(i), envoyName(i), fmt.Sprint("10.12.0.", i+1))
		fmt.Fprintf(&text, configYAML, envoyName(i), fmt.Sprint("NET.", 1+i))
	}
	r.Put(t, "clients.yaml", text.String())
}

// writeService writes a service; another generation has another endpoint, whose address it returns.
func (r *rigged) writeService(t *testing.T, i, generation int) string {
	t.Helper()
	name, address := fmt.Sprint("service-", i), fmt.Sprintf("10.%d.%d.%d", 20+generation/250, generation%250, i+1)
	r.Put(t, name+".yaml", fmt.Sprintf(serviceYAML, name, fmt.Sprint("10.96.0.", i+1))+
		fmt.Sprintf(workloadYAML, name, name, address))
	return address
}

// fleet is the well-behaved clients.
type fleet struct {
	closed chan error
	done   sync.WaitGroup

	mu   sync.Mutex
	want string // the assignment that is waited for
	seen map[*adsclient.Client]bool
	full chan struct{}
}

// connect starts the well-behaved clients; they end with the test.
func (r *rigged) connect(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{closed: make(chan error, good)}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	wait := f.expect("outbound|80||service-0.bench")
	for i := range good {
		name := fmt.Sprint("good-", i)
		c := adsclient.New(adsclient.Config{
			Address: r.XDS(), TLS: r.tls, Token: r.token(t, name), Node: "bench/" + name, Cluster: "bench/client", Received: f.received,
		})
		f.done.Go(func() {
			if err := c.Run(ctx); ctx.Err() == nil {
				f.closed <- err
			}
		})
	}
	t.Cleanup(func() {
		cancel()
		f.done.Wait()
	})
	f.await(t, wait)
	return f
}

// expect returns a channel that is closed when every client has received an assignment from now on.
func (f *fleet) expect(name string) <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.want, f.seen, f.full = name, map[*adsclient.Client]bool{}, make(chan struct{})
	return f.full
}

func (f *fleet) received(c *adsclient.Client, r adsclient.Response) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !slices.ContainsFunc(r.Resources, func(n adsclient.Named) bool { return n.Name == f.want }) ||
		!strings.HasSuffix(r.TypeURL, "ClusterLoadAssignment") || f.seen[c] {
		return
	}
	if f.seen[c] = true; len(f.seen) == good {
		close(f.full)
	}
}

func (f *fleet) await(t *testing.T, full <-chan struct{}) {
	t.Helper()
	timer := time.NewTimer(rig.Limit)
	defer timer.Stop()
	select {
	case <-full:
	case err := <-f.closed:
		t.Fatalf("a well-behaved client was closed: %v", err)
	case <-timer.C:
		t.Fatalf("%d of %d well-behaved clients have the change", len(f.seen), good)
	}
}
