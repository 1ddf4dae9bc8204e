package netlab

import (
	"os"
	"testing"

	"outrigger.dev/outrigger/deploy/podnet"
)

// NeedRoot skips a test of a user who is not root, and fails it in CI, where it must not be left out.
func NeedRoot(tb testing.TB) {
	tb.Helper()
	if os.Geteuid() == 0 {
		return
	}
	const reason = "it makes network namespaces: run it as root"
	if os.Getenv("CI") != "" {
		tb.Fatal(reason)
	}
	tb.Skip(reason)
}

// Lab is a node with pods.
type Lab struct {
	// Node is where the control plane runs, and what probes the pods.
	Node *Pod

	network *podnet.Network
}

// New makes a node without pods for one test.
func New(tb testing.TB) *Lab {
	tb.Helper()
	NeedRoot(tb)
	network, err := podnet.New()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := network.Close(); err != nil {
			tb.Error(err)
		}
	})
	return &Lab{Node: &Pod{Pod: network.Node()}, network: network}
}

// Pod adds a pod.
func (l *Lab) Pod(tb testing.TB, name string) *Pod {
	tb.Helper()
	pod, err := l.network.Add(tb.Context(), name)
	if err != nil {
		tb.Fatal(err)
	}
	return &Pod{Pod: pod}
}
