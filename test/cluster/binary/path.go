package binary

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// ErrMissing says that a program has not been built.
var ErrMissing = errors.New("program is not built")

// Path is the absolute path of a program, which must have been built. Else the
// error is an ErrMissing that says how to build it.
func Path(name string) (string, error) {
	b, err := named(name)
	if err != nil {
		return "", err
	}
	tree, err := Here()
	if err != nil {
		return "", err
	}
	path, err := tree.Path(b)
	if err != nil {
		return "", err
	}
	if info, err := os.Stat(path); err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
		return "", fmt.Errorf("%w: %s cannot be executed: run `make cluster`", ErrMissing, path)
	}
	return path, nil
}

// Tree is a folder with Outrigger's source.
type Tree string

// Here is the tree that holds the working directory.
func Here() (Tree, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if info, err := os.Stat(Tree(dir).recipes()); err == nil && info.IsDir() {
			return Tree(dir), nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("%s is not inside Outrigger's source", start)
		}
	}
}

func (t Tree) recipes() string { return filepath.Join(string(t), ".ci", "cluster") }

func (t Tree) recipe(b Binary, file string) string { return filepath.Join(t.recipes(), b.Recipe, file) }

// Cache is the folder of all programs.
func (t Tree) Cache() string { return filepath.Join(string(t), ".cache", "cluster") }

// Path is where a program lies once it is built.
func (t Tree) Path(b Binary) (string, error) {
	version, err := t.Version(b)
	if err != nil {
		return "", err
	}
	return filepath.Join(t.Cache(), b.Name+"-"+version, b.Name), nil
}

// Version is the version of a program without the v, such as "1.37.2", as its recipe's go.mod has it.
func (t Tree) Version(b Binary) (string, error) {
	path := t.recipe(b, "go.mod")
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(strings.TrimPrefix(line, "require "))
		if len(words) >= 2 && words[0] == b.Module && strings.HasPrefix(words[1], "v") {
			return words[1][1:], nil
		}
	}
	return "", fmt.Errorf("%s requires no version of %s", path, b.Module)
}
