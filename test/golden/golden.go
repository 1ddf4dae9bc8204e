// Package golden compares what a stage of the line makes with files: a folder of
// inputs, a case per file or folder in it, and a folder of outputs, named after their cases.
//
// A new case is a new file or folder. The flag -update writes the outputs anew and removes
// those that no case makes any more; without it, both are failures.
//
// It imports the test framework and a YAML library only.
package golden

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Run calls produce with the content of every .yaml file in the folder in, as a subtest that is named after the file, and
// compares what it returns with the files of the folder out: the text of key "x.yaml" with "<case>.x.yaml". An empty text is
// no file.
func Run(t *testing.T, in, out string, produce func(t *testing.T, input []byte) map[string][]byte) {
	t.Helper()
	cases, err := filepath.Glob(filepath.Join(in, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	runAll(t, cases, out, func(t *testing.T, path string) map[string][]byte {
		t.Helper()
		input, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return produce(t, input)
	})
}

// Folders is Run for cases that are folders: produce is called with the path of every one in the folder in.
func Folders(t *testing.T, in, out string, produce func(t *testing.T, dir string) map[string][]byte) {
	t.Helper()
	cases, err := filepath.Glob(filepath.Join(in, "*"))
	if err != nil {
		t.Fatal(err)
	}
	runAll(t, cases, out, produce)
}

// Files compares texts with the files of the folder out by their names, for what is made from no file.
func Files(t *testing.T, out string, texts map[string][]byte) {
	t.Helper()
	made := map[string]bool{}
	for name, text := range texts {
		file := filepath.Join(out, name)
		made[file] = true
		compare(t, file, text)
	}
	orphans(t, out, made)
}

func runAll(t *testing.T, cases []string, out string, produce func(t *testing.T, path string) map[string][]byte) {
	t.Helper()
	if len(cases) == 0 {
		t.Fatal("there are no cases")
	}
	made := map[string]bool{}
	for _, path := range cases {
		name := strings.TrimSuffix(filepath.Base(path), ".yaml")
		t.Run(name, func(t *testing.T) {
			for key, text := range produce(t, path) {
				if file := filepath.Join(out, name+"."+key); len(text) > 0 {
					made[file] = true
					compare(t, file, text)
				}
			}
		})
	}
	if !t.Failed() {
		orphans(t, out, made)
	}
}

func compare(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		write(t, file, got)
		return
	}
	want, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(got), "\n")); diff != "" {
		t.Errorf("%s differs (-want +got); if that is meant, run with -update and look at what changed:\n%s", file, diff)
	}
}

func write(t *testing.T, file string, text []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// orphans are outputs whose case is gone, or makes them no more. Where only some cases ran, none are.
func orphans(t *testing.T, out string, made map[string]bool) {
	t.Helper()
	if run := flag.Lookup("test.run"); run != nil && strings.Contains(run.Value.String(), "/") {
		return
	}
	files, err := filepath.Glob(filepath.Join(out, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range slices.DeleteFunc(files, func(f string) bool { return made[f] }) {
		if !*update {
			t.Errorf("no case makes %s: run with -update", file)
		} else if err := os.Remove(file); err != nil {
			t.Error(err)
		}
	}
}
