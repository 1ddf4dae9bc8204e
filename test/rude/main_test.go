package rude_test

import (
	"os"
	"testing"

	"outrigger.dev/outrigger/test/product"
)

// outrigger is the binary under test, built once for all tests.
var outrigger string

func TestMain(m *testing.M) {
	os.Exit(product.With(&outrigger, func() int { return product.NoLeaks(m.Run()) }))
}
