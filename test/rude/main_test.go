package rude_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

// outrigger is the binary under test, built once for all tests.
var outrigger string

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
	code := m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		return complain(err)
	}
	return code
}

func complain(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 1
}
