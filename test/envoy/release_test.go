package envoy_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"outrigger.dev/outrigger/test/envoy"
)

func TestRelease(t *testing.T) {
	for text, want := range map[string]envoy.Release{"1.36.4": {1, 36, 4}, "2.0.0": {2, 0, 0}} {
		if got, err := envoy.ParseRelease(text); err != nil || got != want || got.String() != text {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "1.36", "1.36.x", "1.36.4.1", "1.-1.0"} {
		if got, err := envoy.ParseRelease(text); err == nil || !strings.Contains(err.Error(), "1.40.0") {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	ordered := []envoy.Release{{1, 9, 7}, {1, 36, 4}, {1, 37, 0}, {1, 37, 1}, {2, 0, 0}}
	for i, r := range ordered {
		for j, other := range ordered {
			if r.Before(other) != (i < j) {
				t.Errorf("%s before %s: %t", r, other, r.Before(other))
			}
		}
	}
}

// TestRunning: a fetched Envoy says the version of its folder.
func TestRunning(t *testing.T) {
	got, err := envoy.Running(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Base(filepath.Dir(envoy.Path(t)))
	if want, err := envoy.ParseRelease(folder); err == nil && got != want {
		t.Errorf("the Envoy in %s says it is %s", folder, got)
	}
	fake := filepath.Join(t.TempDir(), "envoy")
	if err := os.WriteFile(fake, []byte("#!/bin/sh\necho hello\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv(envoy.Env, fake)
	if got, err := envoy.Running(t.Context()); err == nil || !strings.Contains(err.Error(), "no version: hello") {
		t.Errorf("%v, %v", got, err)
	}
}
