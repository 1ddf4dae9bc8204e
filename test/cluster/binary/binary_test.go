package binary_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"outrigger.dev/outrigger/test/cluster/binary"
)

// tree is a tree with a recipe for a tiny program, which is a module without dependencies.
func tree(t *testing.T) (binary.Tree, binary.Binary) {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":  "module example.com/tiny\n\ngo 1.26.0\n\nrequire (\n\texample.com/other v1.2.3 // indirect\n)\n",
		"go.sum":  "",
		"main.go": "package main\n\nfunc main() { print(gitVersion, \" \", gitMajor, \" \", gitMinor, \" \", gitTreeState) }\n\nvar gitVersion, gitMajor, gitMinor, gitTreeState string\n",
	} {
		write(t, filepath.Join(root, ".ci", "cluster", "tiny", name), text)
	}
	return binary.Tree(root), binary.Binary{Name: "tiny", Recipe: "tiny", Module: "example.com/other", Package: "example.com/tiny", Stamp: "main"}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func built(t *testing.T, tree binary.Tree, b binary.Binary) bool {
	t.Helper()
	is, err := tree.Built(b)
	if err != nil {
		t.Fatal(err)
	}
	return is
}

func build(t *testing.T, tree binary.Tree, b binary.Binary) {
	t.Helper()
	var out bytes.Buffer
	if err := tree.Build(t.Context(), b, &out); err != nil {
		t.Fatalf("%v: %s", err, out.Bytes())
	}
}

// A program is built when it is missing or its recipe is another, and knows its version.
func TestBuild(t *testing.T) {
	tree, tiny := tree(t)
	if built(t, tree, tiny) {
		t.Fatal("it is there before it is built")
	}
	build(t, tree, tiny)
	if !built(t, tree, tiny) {
		t.Fatal("it is not there after it was built")
	}
	path, err := tree.Path(tiny)
	if err != nil || path != filepath.Join(tree.Cache(), "tiny-1.2.3", "tiny") {
		t.Fatalf("its path is %s, error %v", path, err)
	}
	if said, err := exec.CommandContext(t.Context(), path).CombinedOutput(); err != nil || string(said) != "v1.2.3 1 2 clean" {
		t.Errorf("it says %q, error %v", said, err)
	}
	write(t, filepath.Join(string(tree), ".ci", "cluster", "tiny", "go.sum"), "\n")
	if built(t, tree, tiny) {
		t.Error("it counts as built with another go.sum")
	}
}

// A build that fails leaves what was there.
func TestBuildFails(t *testing.T) {
	tree, tiny := tree(t)
	write(t, filepath.Join(string(tree), ".ci", "cluster", "tiny", "main.go"), "package main\n")
	path, err := tree.Path(tiny)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, "old")
	var out bytes.Buffer
	if err := tree.Build(t.Context(), tiny, &out); err == nil || out.Len() == 0 {
		t.Errorf("error %v, output %q, want both", err, out.Bytes())
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "old" {
		t.Errorf("there are %d bytes of another program, error %v", len(text), err)
	}
}

// Who lacks a program is told how to get it.
func TestPathOfWhatIsMissing(t *testing.T) {
	tree, _ := tree(t)
	write(t, filepath.Join(string(tree), ".ci", "cluster", "etcd", "go.mod"), "module x\n\nrequire go.etcd.io/etcd/server/v3 v3.0.0\n")
	t.Chdir(string(tree))
	if _, err := binary.Path("etcd"); !errors.Is(err, binary.ErrMissing) || !strings.Contains(err.Error(), "`make cluster`") {
		t.Errorf("error %v, want %v and the command", err, binary.ErrMissing)
	}
	if _, err := binary.Path("nothing"); err == nil || errors.Is(err, binary.ErrMissing) {
		t.Errorf("error %v, want one that says that it is unknown", err)
	}
	t.Chdir("/")
	if _, err := binary.Path("etcd"); err == nil {
		t.Error("no error outside of the source")
	}
}

// Every program of the table has a recipe that names its version.
func TestRecipes(t *testing.T) {
	tree, err := binary.Here()
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range binary.All() {
		version, err := tree.Version(b)
		if err != nil || !regexp.MustCompile(`^\d+\.\d+\.\d+$`).MatchString(version) {
			t.Errorf("%s: version %q, error %v", b.Name, version, err)
		}
		if _, err := tree.Built(b); err != nil {
			t.Errorf("%s: %v", b.Name, err)
		}
	}
}
