package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"outrigger.dev/outrigger/test/envoy"
)

// suiteLimit is how long a suite may take.
const suiteLimit = "5m"

// trial is one suite with one Envoy.
type trial struct {
	suite   suite
	version envoy.Release
	// envoy is the binary, dir the folder of the tests' binaries and logs.
	envoy, dir string
}

// outcome is how a suite fared with an Envoy.
type outcome struct {
	suite   suite
	version envoy.Release
	// passed and skipped count tests, failed names them; subtests are parts of theirs.
	passed, skipped int
	failed          []string
	took            time.Duration
	log             string
	// ok: the suite ended well, as a whole.
	ok bool
}

// String is a line for whoever waits.
func (o outcome) String() string {
	line := fmt.Sprintf("Envoy %s, %s: %s in %.0f s", o.version, o.suite.dir, o.cell(), o.took.Seconds())
	if !o.ok {
		line += fmt.Sprintf(": %s; %s has it all", strings.Join(o.failed, ", "), o.log)
	}
	return line
}

// cell is the outcome in a table.
func (o outcome) cell() string {
	text := fmt.Sprintf("%d passed", o.passed)
	if o.skipped > 0 {
		text += fmt.Sprintf(", %d skipped", o.skipped)
	}
	if !o.ok {
		text += fmt.Sprintf(", %d FAILED", max(len(o.failed), 1))
	}
	return text
}

// build makes the test binary of every suite, in dir.
func build(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	args := []string{"test", "-c", "-o", dir + "/"}
	for _, s := range suites() {
		args = append(args, "./"+s.dir)
	}
	return command(ctx, "go", args...)
}

// fetch makes sure that a version is there, and returns its binary.
func fetch(ctx context.Context, version envoy.Release) (string, error) {
	if err := command(ctx, ".ci/fetch-envoy", version.String()); err != nil {
		return "", err
	}
	return filepath.Abs(filepath.Join(".cache", "envoy", version.String(), "envoy"))
}

// command runs a command that prints nothing when all is well.
func command(ctx context.Context, name string, args ...string) error {
	said, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, args[0], err, said)
	}
	return nil
}

// try runs a suite. That tests fail is no error.
func try(ctx context.Context, t trial) (outcome, error) {
	o := outcome{
		suite: t.suite, version: t.version,
		log: filepath.Join(t.dir, fmt.Sprintf("%s-%s.log", t.version, t.suite.name())),
	}
	cmd := exec.CommandContext(ctx, filepath.Join(t.dir, t.suite.name()+".test"), "-test.v", "-test.timeout", suiteLimit)
	cmd.Dir = t.suite.dir
	cmd.Env = append(os.Environ(), envoy.Env+"="+t.envoy)
	start := time.Now()
	said, err := cmd.CombinedOutput()
	o.took = time.Since(start)
	if ctx.Err() != nil {
		return o, context.Cause(ctx)
	}
	if ended := (*exec.ExitError)(nil); err != nil && !errors.As(err, &ended) {
		return o, fmt.Errorf("tests of %s: %w", t.suite.dir, err)
	}
	o.count(said)
	// No test at all is no success either.
	o.ok = err == nil && o.passed > 0
	return o, os.WriteFile(o.log, said, 0o644)
}

// count reads what a test binary prints.
func (o *outcome) count(said []byte) {
	lines := bufio.NewScanner(bytes.NewReader(said))
	lines.Buffer(nil, len(said)+1)
	for lines.Scan() {
		verdict, rest, _ := strings.Cut(lines.Text(), ": ")
		switch verdict {
		case "--- PASS":
			o.passed++
		case "--- SKIP":
			o.skipped++
		case "--- FAIL":
			name, _, _ := strings.Cut(rest, " ")
			o.failed = append(o.failed, name)
		}
	}
}
