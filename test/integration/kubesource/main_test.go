package kubesource_test

import (
	"os"
	"testing"

	"outrigger.dev/outrigger/test/cluster"
)

// shared is the control plane of the tests that leave it as it was.
var shared *cluster.Kube

func TestMain(m *testing.M) {
	os.Exit(cluster.WithKube(&shared, cluster.KubeOptions{}, m.Run))
}
