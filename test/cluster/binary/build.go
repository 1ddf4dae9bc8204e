package binary

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// stampFile lies beside a program, and says what it was built from.
const stampFile = "recipe.sha256"

// Built says whether a program is there as its recipe has it now.
func (t Tree) Built(b Binary) (bool, error) {
	path, err := t.Path(b)
	if err != nil {
		return false, err
	}
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	want, err := t.digest(b)
	if err != nil {
		return false, err
	}
	have, err := os.ReadFile(filepath.Join(filepath.Dir(path), stampFile))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return string(have) == want, err
}

// Build builds a program, whether it is there or not. What the go command says goes to out.
// Tests may use a program of before meanwhile: the new one takes its place in one step.
func (t Tree) Build(ctx context.Context, b Binary, out io.Writer) error {
	path, err := t.Path(b)
	if err != nil {
		return err
	}
	stamp, err := t.digest(b)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	fresh := path + ".new"
	defer os.Remove(fresh)
	if err := t.compile(ctx, b, fresh, out); err != nil {
		return fmt.Errorf("building %s: %w", b.Name, err)
	}
	if err := os.Rename(fresh, path); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(filepath.Dir(path), stampFile), []byte(stamp), 0o644)
}

func (t Tree) compile(ctx context.Context, b Binary, path string, out io.Writer) error {
	version, err := t.Version(b)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", append(b.arguments(version), "-o", path, b.Package)...)
	cmd.Dir = t.recipe(b, "")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	cmd.Stdout, cmd.Stderr = out, out
	return cmd.Run()
}

// arguments are those of the go command, but for the output and the package.
func (b Binary) arguments(version string) []string {
	return []string{"build", "-trimpath", "-tags", b.Tags, "-ldflags", strings.Join(b.linkerFlags(version), " ")}
}

func (b Binary) linkerFlags(version string) []string {
	flags := []string{"-s", "-w"}
	if b.Stamp == "" {
		return flags
	}
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	set := func(name, value string) { flags = append(flags, "-X", b.Stamp+"."+name+"="+value) }
	set("gitVersion", "v"+version)
	set("gitMajor", major)
	set("gitMinor", minor)
	set("gitTreeState", "clean")
	return flags
}

// digest stands for all that a program is built from.
func (t Tree) digest(b Binary) (string, error) {
	version, err := t.Version(b)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	fmt.Fprintf(sum, "%q %q\n", b.Package, b.arguments(version))
	for _, file := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(t.recipe(b, file))
		if err != nil {
			return "", err
		}
		sum.Write(text)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
