package rig

import (
	"context"
	"os"
	"testing"
	"time"

	"outrigger.dev/outrigger/test/mesh"
)

const (
	// Limit is how long anything in a test may take.
	Limit = 30 * time.Second
	// Namespace is that of all workloads.
	Namespace = "test"
	// Identities is what the SPIFFE ID of a workload begins with; its service account follows.
	Identities = "spiffe://cluster.local/ns/" + Namespace + "/sa/"
)

// Rig is a mesh for one test.
type Rig struct{ *mesh.Mesh }

// New prepares a mesh in a folder of its own, which cfg need not name; nothing runs yet.
func New(t *testing.T, cfg mesh.Config) *Rig {
	t.Helper()
	var err error
	// Not t.TempDir: with a long test name its path is too long for a socket.
	if cfg.Dir, err = os.MkdirTemp("", "mesh-"); err != nil { //nolint:usetesting // see above
		t.Fatal(err)
	}
	m, err := mesh.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r := &Rig{Mesh: m}
	t.Cleanup(func() { r.end(t) })
	return r
}

func (r *Rig) end(t *testing.T) {
	t.Helper()
	if err := r.Close(); err != nil {
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

// Start starts the control plane and waits until it is ready.
func (r *Rig) Start(t *testing.T) {
	t.Helper()
	if err := r.StartServer(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
}

// Put writes a file into the folder of YAML.
func (r *Rig) Put(t *testing.T, name, text string) {
	t.Helper()
	if err := r.Write(name, text); err != nil {
		t.Fatal(err)
	}
}

// Drop deletes a file from the folder of YAML.
func (r *Rig) Drop(t *testing.T, name string) {
	t.Helper()
	if err := r.Remove(name); err != nil {
		t.Fatal(err)
	}
}

// Who is the sidecar of a workload, whose service account has the same name.
func Who(workload string) mesh.SidecarConfig {
	return mesh.SidecarConfig{Namespace: Namespace, Workload: workload, ServiceAccount: workload}
}

// Join starts a sidecar and waits until it is ready.
func (r *Rig) Join(t *testing.T, cfg mesh.SidecarConfig) *mesh.Sidecar {
	t.Helper()
	s, err := r.Ready(context.WithoutCancel(t.Context()), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Synced waits until the proxies of workloads have everything that they are to have.
func (r *Rig) Synced(t *testing.T, workloads ...string) {
	t.Helper()
	names := make([]string, len(workloads))
	for i, w := range workloads {
		names[i] = Namespace + "/" + w
	}
	ctx, cancel := context.WithTimeout(t.Context(), Limit)
	defer cancel()
	if err := r.WaitSynced(ctx, names...); err != nil {
		t.Fatal(err)
	}
}

// Eventually waits until check has no error.
func Eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Limit)
	defer cancel()
	if err := mesh.Eventually(ctx, what, func(context.Context) error { return check() }); err != nil {
		t.Fatal(err)
	}
}
