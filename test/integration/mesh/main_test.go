package mesh_test

import (
	"os"
	"runtime"
	"testing"

	"outrigger.dev/outrigger/test/product"
)

// outrigger is the binary under test, built once for all tests.
var outrigger string

func TestMain(m *testing.M) {
	os.Exit(product.With(&outrigger, func() int {
		code := m.Run()
		// The client of Kubernetes watches the files of its certificate until nobody can reach it any more.
		runtime.GC()
		return product.NoLeaks(code)
	}))
}
