package proxyless

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// outrigger is the binary under test, built once for all tests.
var outrigger string

// There is no search for leaked goroutines: gRPC's xDS client keeps some for as long as the process lives.
func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "outrigger-test-")
	if err != nil {
		return complain(err)
	}
	defer os.RemoveAll(dir)
	outrigger = filepath.Join(dir, "outrigger")
	build := exec.CommandContext(context.Background(), "go", "build", "-o", outrigger, "outrigger.dev/outrigger/cmd/outrigger")
	if out, err := build.CombinedOutput(); err != nil {
		return complain(fmt.Errorf("building outrigger: %w: %s", err, out))
	}
	return m.Run()
}

func complain(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 1
}
