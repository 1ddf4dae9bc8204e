package main

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the tables of the page anew")

const (
	pageStart = "<!-- made by go test ./test/compat -update -->\n"
	pageEnd   = "<!-- end -->\n"
)

// TestPage: the tables of docs/compatibility.md are those of the pinned versions, the suites and the differences.
func TestPage(t *testing.T) {
	file := filepath.Join(root, "docs", "compatibility.md")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(data), pageStart)
	have, after, ended := strings.Cut(rest, pageEnd)
	if !found || !ended {
		t.Fatalf("%s does not hold %q and %q", file, pageStart, pageEnd)
	}
	_, versions := pins(t)
	want := page(versions)
	switch {
	case *update:
		if err := os.WriteFile(file, []byte(before+pageStart+want+pageEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
	case have != want:
		t.Errorf("%s is not up to date (-want +have); go test ./test/compat -update writes it:\n%s",
			file, cmp.Diff(strings.Split(want, "\n"), strings.Split(have, "\n")))
	}
}
