package cluster_test

import (
	"os"
	"testing"

	"outrigger.dev/outrigger/test/cluster"
	"outrigger.dev/outrigger/test/product"
)

// shared is a control plane for the tests that leave it running, each in its own namespace.
var shared *cluster.Kube

func TestMain(m *testing.M) {
	os.Exit(product.NoLeaks(cluster.WithKube(&shared, cluster.KubeOptions{}, m.Run)))
}
