package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"outrigger.dev/outrigger/test/envoy"
)

// fakeSuite is a trial of a script in place of a test binary.
func fakeSuite(t *testing.T, script string) trial {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "mesh.test"), []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	// The suite's folder is looked for from the top of the repository: here it is this one.
	return trial{suite: suite{dir: "../mesh"}, version: envoy.Release{Major: 1, Minor: 36, Patch: 4}, envoy: "/opt/envoy", dir: dir}
}

func TestTry(t *testing.T) {
	for name, test := range map[string]struct {
		script, cell string
		failed       []string
		ok           bool
	}{
		"passed":   {"echo \"--- PASS: TestA (0.1s) $OUTRIGGER_ENVOY $1\"; echo '    --- PASS: TestA/b (0s)'", "1 passed", nil, true},
		"skipped":  {"echo '--- PASS: TestA (0.1s)'; echo '--- SKIP: TestB (0s)'", "1 passed, 1 skipped", nil, true},
		"failed":   {"echo '--- PASS: TestA (0.1s)'; echo '--- FAIL: TestB (0s)'; exit 1", "1 passed, 1 FAILED", []string{"TestB"}, false},
		"crashed":  {"echo '--- PASS: TestA (0.1s)'; echo panic >&2; exit 2", "1 passed, 1 FAILED", nil, false},
		"no tests": {"echo PASS", "0 passed, 1 FAILED", nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := fakeSuite(t, test.script)
			o, err := try(t.Context(), f)
			if err != nil {
				t.Fatal(err)
			}
			if o.ok != test.ok || o.cell() != test.cell || !slices.Equal(o.failed, test.failed) {
				t.Errorf("%+v", o)
			}
			if err := verdict(io.Discard, []outcome{o, {ok: true}}); errors.Is(err, errFailed) == test.ok {
				t.Errorf("in all: %v", err)
			}
			log, err := os.ReadFile(o.log)
			if err != nil || name == "passed" && !strings.Contains(string(log), "/opt/envoy -test.v") {
				t.Errorf("log %q, error %v", log, err)
			}
			rows := resultTable([]envoy.Release{f.version}, outcomes(o))
			if !strings.Contains(rows, "| test/mesh | "+test.cell+" |") || !strings.HasPrefix(rows, "|  | 1.36.4 |\n|---|---|\n") {
				t.Errorf("table:\n%s", rows)
			}
		})
	}
	missing := fakeSuite(t, "")
	missing.suite.dir = "../pipeline"
	if o, err := try(t.Context(), missing); err == nil {
		t.Errorf("a suite that is not there: %v", o)
	}
}

// outcomes gives every suite the outcome.
func outcomes(o outcome) []outcome {
	var all []outcome
	for _, s := range suites() {
		o.suite = s
		all = append(all, o)
	}
	return all
}
