// Package product builds the control plane for tests that run it as its users do.
//
// It imports the standard library and goleak. It says what a package's TestMain returns, and never what a test sees.
package product

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"go.uber.org/goleak"
)

// With builds outrigger, puts its path into binary, runs the tests and removes it. It returns the exit code of the test
// program: what run returns, or 1 when there is nothing to run.
func With(binary *string, run func() int) int {
	dir, err := os.MkdirTemp("", "outrigger-test-")
	if err != nil {
		return complain(err)
	}
	defer os.RemoveAll(dir)
	*binary = filepath.Join(dir, "outrigger")
	build := exec.CommandContext(context.Background(), "go", "build", "-o", *binary, "outrigger.dev/outrigger/cmd/outrigger")
	if out, err := build.CombinedOutput(); err != nil {
		return complain(fmt.Errorf("building outrigger: %w: %s", err, out))
	}
	return run()
}

// NoLeaks makes tests that passed fail when they left goroutines behind.
func NoLeaks(code int) int {
	if err := goleak.Find(); err != nil && code == 0 {
		return complain(err)
	}
	return code
}

func complain(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 1
}
