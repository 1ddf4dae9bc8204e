package envoy_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"outrigger.dev/outrigger/test/envoy"
)

func TestBinaryIsTheOneOfTheEnvironment(t *testing.T) {
	mine := filepath.Join(t.TempDir(), "my-envoy")
	t.Setenv(envoy.Env, mine)
	expectMissing(t, envoy.Env)
	if err := os.WriteFile(mine, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	expectMissing(t, "cannot be executed")
	if err := os.Chmod(mine, 0o700); err != nil {
		t.Fatal(err)
	}
	if got := envoy.Path(t); got != mine {
		t.Errorf("got %s, want %s", got, mine)
	}
}

func TestBinaryIsTheOneOfTheModule(t *testing.T) {
	t.Setenv(envoy.Env, "")
	root := t.TempDir()
	inside := filepath.Join(root, "xds", "build")
	if err := os.MkdirAll(inside, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Chdir(inside)
	expectMissing(t, "not inside Outrigger's source")
	if err := os.WriteFile(filepath.Join(root, "go.mod"), []byte("module outrigger.dev/outrigger\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	expectMissing(t, "make envoy")
	want := filepath.Join(root, ".cache", "envoy", envoy.Version, "envoy")
	if err := os.MkdirAll(filepath.Dir(want), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(want, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	if got := envoy.Path(t); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// failure records what Path does without an Envoy.
type failure struct{ said []any }

func (f *failure) Helper() {}

func (f *failure) Fatal(args ...any) { f.said = args }

func TestPathFailsTheTest(t *testing.T) {
	t.Setenv(envoy.Env, filepath.Join(t.TempDir(), "gone"))
	var f failure
	envoy.Path(&f)
	if len(f.said) != 1 {
		t.Errorf("said %v, want one error", f.said)
	}
}

func TestVersionIsTheFirstOneFetched(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", ".ci", "envoy-versions"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		if version, _, _ := strings.Cut(line, " "); version != envoy.Version {
			t.Errorf("`make envoy` fetches %s, tests run %s", version, envoy.Version)
		}
		return
	}
	t.Error(".ci/envoy-versions pins nothing")
}

func expectMissing(t *testing.T, text string) {
	t.Helper()
	_, err := envoy.Binary()
	if !errors.Is(err, envoy.ErrMissing) || !strings.Contains(err.Error(), text) {
		t.Errorf("error %v, want %v with %q", err, envoy.ErrMissing, text)
	}
}
