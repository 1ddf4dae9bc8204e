// Package envoy finds and runs the real Envoy for tests, benchmarks and the
// demo: it validates bootstraps, starts proxies and asks their admin interface.
//
// It imports the standard library and test/process only, so that every test may use it, and
// knows nothing of Outrigger's own resources. It never downloads anything (the
// Makefile does), never skips a test because Envoy is missing, and leaves no
// process behind.
package envoy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	// Version is the Envoy that tests run unless Env says otherwise.
	Version = "1.40.0"
	// Env is the environment variable that names an Envoy binary to use
	// instead of the fetched one.
	Env = "OUTRIGGER_ENVOY"

	module = "module outrigger.dev/outrigger"
)

// ErrMissing says that there is no Envoy to run.
var ErrMissing = errors.New("no Envoy to run")

// TB is the part of testing.TB that Path needs.
type TB interface {
	Helper()
	Fatal(args ...any)
}

// Path returns the Envoy binary, and fails the test when there is none.
func Path(tb TB) string {
	tb.Helper()
	path, err := Binary()
	if err != nil {
		tb.Fatal(err)
	}
	return path
}

// Binary returns the absolute path of the Envoy binary: the one that Env
// names, else the one that `make envoy` fetched into the module that holds the
// working directory. Without one the error is an ErrMissing.
func Binary() (string, error) {
	if path := os.Getenv(Env); path != "" {
		return executable(path, "correct "+Env+" or unset it")
	}
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	path := filepath.Join(root, ".cache", "envoy", Version, "envoy")
	return executable(path, "run `make envoy`, or set "+Env)
}

// executable returns path made absolute, or an ErrMissing that names the fix.
func executable(path, fix string) (string, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("%w: %s does not exist: %s", ErrMissing, path, fix)
	case err != nil:
		return "", fmt.Errorf("%w: %w: %s", ErrMissing, err, fix)
	case info.IsDir() || info.Mode()&0o111 == 0:
		return "", fmt.Errorf("%w: %s cannot be executed: %s", ErrMissing, path, fix)
	}
	return filepath.Abs(path)
}

// moduleRoot returns the folder of Outrigger's go.mod: the working directory
// or the nearest folder above it.
func moduleRoot() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if isModuleRoot(dir) {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("%w: %s is not inside Outrigger's source: set %s", ErrMissing, start, Env)
		}
	}
}

// isModuleRoot says whether dir holds Outrigger's go.mod.
func isModuleRoot(dir string) bool {
	text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return false
	}
	first, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimSpace(first) == module
}
