package proxyless

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"outrigger.dev/outrigger/test/mesh"
	"outrigger.dev/outrigger/test/process"
	"outrigger.dev/outrigger/test/rig"
)

// rigged is a mesh whose control plane runs.
type rigged struct{ *rig.Loopback }

func newRig(t *testing.T, cfg mesh.Config, files map[string]string) *rigged {
	t.Helper()
	cfg.Binary = outrigger
	r := &rigged{Loopback: rig.OnLoopback(t, cfg)}
	r.PutAll(t, files)
	r.Start(t)
	return r
}

// program has outrigger keep the certificate of a program without a proxy, and returns what the program starts with and the
// folder of its files.
func (r *rigged) program(t *testing.T, workload string) (bootstrap []byte, dir string) {
	t.Helper()
	dir = filepath.Join(r.Dir(), workload)
	flags := []string{"--workload", workload, "--service-account", workload, "--namespace", "test", "--server", r.XDS(), "--out", dir}
	keeper, err := process.Start(context.WithoutCancel(t.Context()), process.Config{
		Path: outrigger, Log: filepath.Join(r.Dir(), workload+".log"),
		Args: append([]string{"certificate", "--data-dir", r.DataDir(), "--renew"}, flags...),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := keeper.Stop(); err != nil {
			t.Errorf("outrigger certificate: %v: %s", err, keeper.Logs())
		}
	})
	rig.Eventually(t, "the certificate of "+workload, func() error {
		_, err := os.Stat(filepath.Join(dir, "roots.pem"))
		return err
	})
	text, err := r.Outrigger(t.Context(), append([]string{"bootstrap", "--grpc"}, flags...)...)
	if err != nil {
		t.Fatal(err)
	}
	return []byte(text), dir
}

// settled waits until programs and proxies have everything that they are to have, and refused nothing.
func (r *rigged) settled(t *testing.T, workloads ...string) {
	t.Helper()
	r.Synced(t, workloads...)
	m, err := r.Metrics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if n := m.Sum("outrigger_xds_nacks_total"); n > 0 {
		t.Errorf("%v responses were refused", n)
	}
}
