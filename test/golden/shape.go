package golden

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Versioned is a resource as proxies are told of it.
type Versioned struct {
	// Case is where it comes from, Input what it was made from there.
	Case  string
	Input []byte
	// Type, Name and Version are the resource's. None has a tab in it.
	Type, Name, Version string
}

// key says what a resource was made from, and which one it is.
func (v Versioned) key() string {
	sum := sha256.Sum256(v.Input)
	return strings.Join([]string{v.Case, hex.EncodeToString(sum[:8]), v.Type, v.Name}, "\t")
}

// Shape compares the versions of resources with those that the same inputs had in the shape of that number, which stand
// in the file <dir>/<number>.txt. What is new is added to it by -update, and what is gone is removed; but no flag lets equal
// input get another version in one shape. Files of other numbers are orphans.
func Shape(t *testing.T, dir string, number int, resources []Versioned) {
	t.Helper()
	if len(resources) == 0 {
		t.Fatal("there are no resources")
	}
	file := filepath.Join(dir, fmt.Sprintf("%d.txt", number))
	was, err := readShape(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range broken(was, resources) {
		t.Errorf("%s: %s %s has the version %s, and had %s in shape %d: every proxy would be sent it again, and a listener drained. "+
			"If that is meant, give the shape a new number; if no release has this number yet, delete %s and run with -update",
			r.Case, r.Type, r.Name, r.Version, was[r.key()], number, file)
	}
	if !t.Failed() {
		compare(t, file, shapeText(resources))
		orphans(t, dir, map[string]bool{file: true})
	}
}

// broken are the resources that equal input gave another version before.
func broken(was map[string]string, resources []Versioned) []Versioned {
	var out []Versioned
	for _, r := range resources {
		if old, ok := was[r.key()]; ok && old != r.Version {
			out = append(out, r)
		}
	}
	return out
}

func shapeText(resources []Versioned) []byte {
	var text []byte
	for _, r := range resources {
		text = fmt.Appendf(text, "%s\t%s\n", r.key(), r.Version)
	}
	return text
}

// readShape returns the versions in a file by keys; no file holds none.
func readShape(file string) (map[string]string, error) {
	text, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	versions := map[string]string{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		i := strings.LastIndexByte(line, '\t')
		if i < 0 {
			return nil, fmt.Errorf("%s: a line without a version: %q", file, line)
		}
		versions[line[:i]] = line[i+1:]
	}
	return versions, nil
}
