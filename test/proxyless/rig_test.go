package proxyless

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"outrigger.dev/outrigger/test/loopback"
	"outrigger.dev/outrigger/test/mesh"
	"outrigger.dev/outrigger/test/process"
)

const (
	// testLimit is how long anything in a test may take.
	testLimit  = 20 * time.Second
	identityOf = "spiffe://cluster.local/ns/test/sa/"
)

// rig is a mesh of its own for one test, on addresses of its own. In its YAML "NET." stands for the front of these.
type rig struct {
	*mesh.Mesh
	t      *testing.T
	subnet *loopback.Subnet
}

func newRig(t *testing.T, cfg mesh.Config, files map[string]string) *rig {
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
	r := &rig{Mesh: m, t: t, subnet: subnet}
	t.Cleanup(r.close)
	for name, text := range files {
		r.write(name, text)
	}
	if err := r.StartServer(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	return r
}

// close ends everything. What a failed test leaves behind is there to be read.
func (r *rig) close() {
	if err := r.Close(); err != nil {
		r.t.Error(err)
	}
	if err := r.subnet.Close(); err != nil {
		r.t.Error(err)
	}
	if r.t.Failed() {
		r.t.Logf("the mesh's folder, with all logs: %s", r.Dir())
		return
	}
	if err := os.RemoveAll(r.Dir()); err != nil {
		r.t.Error(err)
	}
}

func (r *rig) write(name, text string) {
	r.t.Helper()
	if err := r.Write(name, strings.ReplaceAll(text, "NET.", r.subnet.Prefix())); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) addr(host, port int) string { return r.subnet.Addr(host, port) }

// sidecar starts the sidecar of a workload and waits until it is ready.
func (r *rig) sidecar(workload string) {
	r.t.Helper()
	who := mesh.SidecarConfig{Namespace: "test", Workload: workload, ServiceAccount: workload}
	if _, err := r.Ready(context.WithoutCancel(r.t.Context()), who); err != nil {
		r.t.Fatal(err)
	}
}

// program has outrigger keep the certificate of a program without a proxy, and returns what the program starts with and the
// folder of its files.
func (r *rig) program(workload string) (bootstrap []byte, dir string) {
	r.t.Helper()
	dir = filepath.Join(r.Dir(), workload)
	flags := []string{"--workload", workload, "--service-account", workload, "--namespace", "test", "--server", r.XDS(), "--out", dir}
	keeper, err := process.Start(context.WithoutCancel(r.t.Context()), process.Config{
		Path: outrigger, Log: filepath.Join(r.Dir(), workload+".log"),
		Args: append([]string{"certificate", "--data-dir", r.DataDir(), "--renew"}, flags...),
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		if err := keeper.Stop(); err != nil {
			r.t.Errorf("outrigger certificate: %v: %s", err, keeper.Logs())
		}
	})
	r.eventually("the certificate of "+workload, func() error {
		_, err := os.Stat(filepath.Join(dir, "roots.pem"))
		return err
	})
	text, err := r.Outrigger(r.t.Context(), append([]string{"bootstrap", "--grpc"}, flags...)...)
	if err != nil {
		r.t.Fatal(err)
	}
	return []byte(text), dir
}

// eventually waits until check has no error.
func (r *rig) eventually(what string, check func() error) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), testLimit)
	defer cancel()
	if err := mesh.Eventually(ctx, what, func(context.Context) error { return check() }); err != nil {
		r.t.Fatal(err)
	}
}

// settled waits until programs and proxies have everything that they are to have, and refused nothing.
func (r *rig) settled(workloads ...string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), testLimit)
	defer cancel()
	names := make([]string, len(workloads))
	for i, w := range workloads {
		names[i] = "test/" + w
	}
	if err := r.WaitSynced(ctx, names...); err != nil {
		r.t.Fatal(err)
	}
	m, err := r.Metrics(ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	if n := m.Sum("outrigger_xds_nacks_total"); n > 0 {
		r.t.Errorf("%v responses were refused", n)
	}
}
