package envoy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Validate has Envoy check a whole bootstrap, given as YAML or JSON, without
// running it (`--mode validate`). The error of a refused one holds what Envoy
// said. Relative paths in it are those of a new, otherwise empty folder.
func Validate(ctx context.Context, bootstrap []byte) (err error) {
	binary, err := Binary()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "envoy-validate-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.WriteFile(filepath.Join(dir, bootstrapFile), bootstrap, 0o600); err != nil {
		return err
	}
	return runValidate(ctx, binary, dir)
}

// runValidate validates the bootstrap in dir.
func runValidate(ctx context.Context, binary, dir string) error {
	cmd := exec.CommandContext(ctx, binary, "--mode", "validate", "--config-path", bootstrapFile,
		"--disable-hot-restart", "--concurrency", "1", "--log-level", "error")
	cmd.Dir = dir
	said, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return fmt.Errorf("validating a bootstrap: %w", context.Cause(ctx))
	}
	if err != nil {
		return fmt.Errorf("envoy refused the bootstrap: %w: %s", err, bytes.TrimSpace(said))
	}
	return nil
}
