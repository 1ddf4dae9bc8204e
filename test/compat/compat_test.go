package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"outrigger.dev/outrigger/test/envoy"
)

// root is the top of the repository, seen from this package.
const root = "../.."

func pins(t *testing.T) (text string, versions []envoy.Release) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, pinsFile))
	if err != nil {
		t.Fatal(err)
	}
	versions, err = parsePins(string(data))
	if err != nil {
		t.Fatal(err)
	}
	return string(data), versions
}

// TestPins: every version is there for both kinds of machine, newest first.
func TestPins(t *testing.T) {
	text, versions := pins(t)
	for i, v := range versions {
		for _, machine := range []string{"x86_64", "aarch64"} {
			line := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(v.String()) + ` \S+_` + machine + ` [0-9a-f]{64}$`)
			if n := len(line.FindAllString(text, -1)); n != 1 {
				t.Errorf("%s has %d wheels for %s", v, n, machine)
			}
		}
		if i > 0 && !v.Before(versions[i-1]) {
			t.Errorf("%s stands behind %s", v, versions[i-1])
		}
	}
}

func TestChoose(t *testing.T) {
	known, err := parsePins("# text\n\n1.40.0 a b\n1.40.0 c d\n1.39.3 a b\n1.36.4 a b\n")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"": "[1.40.0 1.39.3 1.36.4]", older: "[1.39.3 1.36.4]", " 1.36.4  1.40.0 ": "[1.36.4 1.40.0]",
	} {
		if got, err := choose(known, text); err != nil || strings.Join(texts(got), " ") != strings.Trim(want, "[]") {
			t.Errorf("%q chooses %v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{"1.35.0": "is not pinned", "new": "want three numbers"} {
		if got, err := choose(known, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q chooses %v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{"# nothing\n": "pins nothing", "one two\n": pinsFile} {
		if got, err := parsePins(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q pins %v, %v", text, got, err)
		}
	}
}

func texts(versions []envoy.Release) (out []string) {
	for _, v := range versions {
		out = append(out, v.String())
	}
	return out
}

// TestSuitesAreAll: whatever package gets tests with an Envoy is run with all of them, or says why not.
func TestSuitesAreAll(t *testing.T) {
	list := exec.CommandContext(t.Context(), "go", "list", "-e", "-test", "-f", `{{.ImportPath}} {{join .Deps " "}}`, "./...")
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	const module = "outrigger.dev/outrigger/"
	var have []string
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		dir, isTest := strings.CutSuffix(words[0], ".test")
		if isTest && slices.ContainsFunc(words, func(w string) bool { return w == module+"test/envoy" || dir == module+"test/envoy" }) {
			have = append(have, strings.TrimPrefix(dir, module))
		}
	}
	var want []string
	for _, s := range suites() {
		want = append(want, s.dir)
	}
	for dir, why := range apart() {
		if want = append(want, dir); why == "" {
			t.Errorf("%s stands apart without a reason", dir)
		}
	}
	for _, dir := range have {
		if !slices.Contains(want, dir) {
			t.Errorf("%s has tests that run an Envoy: add it to suites, or to apart with a reason", dir)
		}
	}
	for _, dir := range want {
		if !slices.Contains(have, dir) {
			t.Errorf("%s has no test that runs an Envoy", dir)
		}
	}
}

// TestDifferencesAreExpected: each has a test, and shows with some of the pinned versions.
func TestDifferencesAreExpected(t *testing.T) {
	_, versions := pins(t)
	for _, d := range envoy.Differences() {
		if d.In(versions[len(versions)-1]) {
			t.Errorf("every pinned Envoy has it: what came with %s is no difference", d.Since)
		}
		if !d.In(versions[0]) {
			t.Errorf("no pinned Envoy has what came with %s", d.Since)
		}
		dir, name := testOf(d)
		if !slices.ContainsFunc(suites(), func(s suite) bool { return s.dir == dir }) {
			t.Errorf("%s is no suite", dir)
		}
		if !declares(t, filepath.Join(root, dir), name) {
			t.Errorf("%s has no test %s", dir, name)
		}
	}
}

// declares says whether a test of that name stands in a folder.
func declares(t *testing.T, dir, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(files, func(file string) bool {
		text, err := os.ReadFile(file)
		return err == nil && strings.Contains(string(text), "\nfunc "+name+"(t *testing.T) {")
	})
}
