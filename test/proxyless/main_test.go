package proxyless

import (
	"os"
	"testing"

	"outrigger.dev/outrigger/test/product"
)

// outrigger is the binary under test, built once for all tests.
var outrigger string

// There is no search for leaked goroutines: gRPC's xDS client keeps some for as long as the process lives.
func TestMain(m *testing.M) { os.Exit(product.With(&outrigger, m.Run)) }
