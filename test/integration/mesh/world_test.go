package mesh_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"outrigger.dev/outrigger/test/cluster"
	"outrigger.dev/outrigger/test/fault"
	"outrigger.dev/outrigger/test/loopback"
	"outrigger.dev/outrigger/test/mesh"
	"outrigger.dev/outrigger/test/netlab"
	"outrigger.dev/outrigger/test/relay"
)

const (
	// testLimit is how long anything in a test may take that should come at once.
	testLimit = time.Minute
	namespace = "shop"
	// The names of the sources.
	kubeSource     = "kubernetes/kubernetes"
	policiesSource = "policies/kubernetes"
	consulSource   = "consul/default"
	// keepSent is how much of what is sent over a connection to a registry is kept to be read.
	keepSent = 1 << 20
)

// options say how a world differs from the usual one.
type options struct {
	// withoutKube and withoutConsul leave a registry out.
	withoutKube, withoutConsul bool
	// consulServers is how many there are, 1 unless it is said. The control plane asks one that does not lead.
	consulServers int
	// admin lets the control plane watch Kubernetes with a certificate and all rights, so that it is known also to
	// a cluster that has lost everything. Otherwise it is the service account of deploy/rbac.
	admin bool
	// readable lets the tests read what the control plane asks the registries, over HTTP/1.1.
	readable bool
	// lastGood keeps a last-good file.
	lastGood bool
	// patience is how long callers wait in a town, where it is not the usual.
	patience time.Duration
}

// world is two registries, a node with pods, and a control plane between them, for one test.
type world struct {
	*mesh.Mesh
	options options
	lab     *netlab.Lab
	kube    *cluster.Kube
	consul  *cluster.Consul
	// token is what the control plane asks Consul with, asked the server.
	token cluster.ConsulToken
	asked *cluster.ConsulAgent
	// toKube and toConsul stand between the control plane and the registries.
	toKube, toConsul *fault.Proxy
	// xds is where the pods reach the control plane.
	xds string
}

// newWorld starts everything but pods.
func newWorld(t *testing.T, o options) *world {
	t.Helper()
	w := prepare(t, o)
	if err := w.StartServer(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	return w
}

// prepare is newWorld without starting the control plane.
func prepare(t *testing.T, o options) *world {
	t.Helper()
	w := &world{options: o, lab: netlab.New(t)}
	subnet, err := loopback.Reserve(t.Context())
	must(t, err)
	t.Cleanup(func() { must(t, subnet.Close()) })
	w.startRegistries(t)
	dir, err := os.MkdirTemp("", "world-") //nolint:usetesting // the path of a socket is short
	must(t, err)
	// The users of the pods find their own folders in it.
	must(t, os.Chmod(dir, 0o711)) //nolint:gosec // see above
	w.Mesh, err = mesh.New(mesh.Config{
		Binary: outrigger, Dir: dir, XDS: subnet.Addr(1, 18010), Metrics: subnet.Addr(1, 18014), Sources: w.sources(t, dir),
	})
	must(t, err)
	t.Cleanup(func() { w.close(t) })
	w.relay(t)
	return w
}

// startRegistries starts both at once.
func (w *world) startRegistries(t *testing.T) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	var kubeErr, consulErr error
	var starting sync.WaitGroup
	if !w.options.withoutKube {
		starting.Go(func() { w.kube, kubeErr = cluster.OpenKube(ctx, cluster.KubeOptions{}) })
	}
	if !w.options.withoutConsul {
		starting.Go(func() {
			w.consul, consulErr = cluster.OpenConsul(ctx, cluster.ConsulOptions{Servers: w.options.consulServers})
		})
	}
	starting.Wait()
	t.Cleanup(func() {
		if w.kube != nil {
			must(t, w.kube.Close())
		}
		if w.consul != nil {
			must(t, w.consul.Close())
		}
	})
	must(t, errors.Join(kubeErr, consulErr))
}

// sources are the flags of the control plane, with the files that they name.
func (w *world) sources(t *testing.T, dir string) []string {
	t.Helper()
	var args []string
	if w.kube != nil {
		args = append(args, "--kubeconfig", w.kubeconfig(t, dir))
	}
	if w.consul != nil {
		args = append(args, w.consulFlags(t, dir)...)
	}
	if w.options.lastGood {
		args = append(args, "--last-good-file", filepath.Join(dir, "last-good"))
	}
	return args
}

// kubeconfig gives the control plane its service account and its rights, and a proxy in between.
func (w *world) kubeconfig(t *testing.T, dir string) string {
	t.Helper()
	must(t, w.kube.AddNamespace(t.Context(), "outrigger-system"))
	for _, name := range []string{"serviceaccount", "clusterrole", "role"} {
		text, err := os.ReadFile(filepath.Join("../../../deploy/rbac", name+".yaml"))
		must(t, err)
		must(t, w.kube.Apply(t.Context(), string(text)))
	}
	access := w.kube.Admin()
	if !w.options.admin {
		answer, err := w.kube.Client().CoreV1().ServiceAccounts("outrigger-system").CreateToken(
			t.Context(), "outrigger", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
		must(t, err)
		access.CertFile, access.KeyFile, access.Token = "", "", answer.Status.Token
	}
	w.toKube = w.between(t, w.kube.Host(), w.kube.TLS())
	path := filepath.Join(dir, "kubeconfig")
	must(t, access.Via(w.toKube.Addr()).WriteKubeconfig(path))
	return path
}

// consulFlags gives the control plane a token, and a proxy in between.
func (w *world) consulFlags(t *testing.T, dir string) []string {
	t.Helper()
	var err error
	w.token, err = w.consul.MakeToken(t.Context(), cluster.ReadRules)
	must(t, err)
	path := filepath.Join(dir, "consul.token")
	must(t, w.token.WriteFile(path))
	w.asked = w.follower(t)
	w.toConsul = w.between(t, w.asked.Host(), w.asked.TLS())
	return []string{
		"--consul-address", "https://" + w.toConsul.Addr(), "--consul-token-file", path, "--consul-ca-file", w.consul.CAFile(),
	}
}

// follower is a server of Consul: where there are several, one that does not lead.
func (w *world) follower(t *testing.T) *cluster.ConsulAgent {
	t.Helper()
	if len(w.consul.Servers) == 1 {
		return w.consul.Servers[0]
	}
	leader, err := w.consul.Leader(t.Context())
	must(t, err)
	for _, server := range w.consul.Servers {
		if server != leader {
			return server
		}
	}
	t.Fatal("every server leads")
	return nil
}

func (w *world) between(t *testing.T, target string, tls *fault.TLS) *fault.Proxy {
	t.Helper()
	config := fault.Config{Target: target}
	if w.options.readable {
		config.TLS, config.Keep = tls, keepSent
	}
	proxy, err := fault.Listen(config)
	must(t, err)
	t.Cleanup(proxy.Close)
	return proxy
}

// relay lets the pods reach the control plane at the node: a socket belongs to the namespace that it was made in, and
// the connections behind it are made outside.
func (w *world) relay(t *testing.T) {
	t.Helper()
	w.xds = w.lab.Node.IPv4.String() + ":15010"
	var r *relay.Relay
	must(t, w.lab.Node.Do(func() (err error) {
		r, err = relay.Listen(context.WithoutCancel(t.Context()), w.xds, w.XDS())
		return err
	}))
	t.Cleanup(func() { must(t, r.Close()) })
}

// close ends everything. What a failed test leaves behind is there to be read.
func (w *world) close(t *testing.T) {
	t.Helper()
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if t.Failed() {
		t.Logf("the world's folder, with all logs: %s", w.Dir())
		return
	}
	if err := os.RemoveAll(w.Dir()); err != nil {
		t.Error(err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// within is a context for what must come in time.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), testLimit)
	t.Cleanup(cancel)
	return ctx
}

// eventually waits until check has no error.
func eventually(t *testing.T, what string, check func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testLimit)
	defer cancel()
	var last error
	must(t, mesh.Eventually(ctx, what, func(ctx context.Context) error {
		err := check(ctx)
		if ctx.Err() != nil && err != nil && last != nil {
			return last // The end of the time says less.
		}
		last = err
		return err
	}))
}
