package rig

import (
	"strings"
	"testing"

	"outrigger.dev/outrigger/test/loopback"
	"outrigger.dev/outrigger/test/mesh"
)

// Loopback is a mesh on loopback addresses of its own, the first of which is the control plane's.
type Loopback struct {
	*Rig
	subnet *loopback.Subnet
}

// OnLoopback prepares a mesh of a binary on loopback addresses of its own; nothing runs yet.
func OnLoopback(t *testing.T, cfg mesh.Config) *Loopback {
	t.Helper()
	subnet, err := loopback.Reserve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := subnet.Close(); err != nil {
			t.Error(err)
		}
	})
	cfg.XDS, cfg.Metrics = subnet.Addr(1, 18010), subnet.Addr(1, 18014)
	return &Loopback{Rig: New(t, cfg), subnet: subnet}
}

// Addr is the address and port of a host of the mesh, 1 to 254.
func (l *Loopback) Addr(host, port int) string { return l.subnet.Addr(host, port) }

// Put writes a file into the folder of YAML; "NET." in it stands for the front of the mesh's addresses.
func (l *Loopback) Put(t *testing.T, name, text string) {
	t.Helper()
	l.Rig.Put(t, name, strings.ReplaceAll(text, "NET.", l.subnet.Prefix()))
}

// PutAll is Put for files by name.
func (l *Loopback) PutAll(t *testing.T, files map[string]string) {
	t.Helper()
	for name, text := range files {
		l.Put(t, name, text)
	}
}
