package file_test

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
	yamlv3 "go.yaml.in/yaml/v3"
	"sigs.k8s.io/yaml"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/discovery/file"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestFolders loads every folder testdata/*/in and compares what comes out with the golden files beside it.
func TestFolders(t *testing.T) {
	folders, err := filepath.Glob("testdata/*/in")
	if err != nil || len(folders) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, in := range folders {
		dir := filepath.Dir(in)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			loaded, problems, err := file.Load(in)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join(dir, "update.yaml"), printUpdate(t, loaded))
			golden(t, filepath.Join(dir, "problems.txt"), printProblems(problems))
		})
	}
	orphans(t, folders)
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, []byte(got)) {
		t.Errorf("%s differs; got\n%s", name, got)
	}
}

// orphans deletes, or reports, the golden files of cases that are gone.
func orphans(t *testing.T, folders []string) {
	t.Helper()
	files, err := filepath.Glob("testdata/*/*.*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if slices.Contains(folders, filepath.Join(filepath.Dir(name), "in")) || strings.Contains(name, "fuzz") {
			continue
		}
		if !*update {
			t.Errorf("%s belongs to no case", name)
		} else if err := os.Remove(name); err != nil {
			t.Error(err)
		}
	}
}

func printProblems(problems []discovery.Problem) string {
	var b strings.Builder
	for _, problem := range problems {
		level := "error"
		if problem.Warning {
			level = "warning"
		}
		fmt.Fprintf(&b, "%s %s: %s\n", level, problem.Reason, problem)
	}
	return b.String()
}

// printUpdate prints an update without its problems, in the order of its keys.
func printUpdate(t *testing.T, u file.Update) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "synced: %t\n", u.Synced)
	if u.Trouble != nil {
		fmt.Fprintf(&b, "trouble: %q\n", u.Trouble)
	}
	p := printer{t: t, to: &b, marshal: yamlv3.Marshal}
	printMap(&p, "services", u.Services, discovery.ServiceID.Compare)
	printMap(&p, "endpoints", u.Endpoints, func(a, b discovery.ShardID) int { return a.Service.Compare(b.Service) })
	printMap(&p, "workloads", u.Workloads, discovery.WorkloadID.Compare)
	p.marshal = func(value any) ([]byte, error) { return yaml.Marshal(value) }
	printMap(&p, "meshConfigs", u.Policies.MeshConfigs, discovery.ObjectID.Compare)
	printMap(&p, "proxyConfigs", u.Policies.ProxyConfigs, discovery.ObjectID.Compare)
	printMap(&p, "authenticationPolicies", u.Policies.AuthenticationPolicies, discovery.ObjectID.Compare)
	printMap(&p, "locations", u.Policies.Locations, discovery.ObjectID.Compare)
	return b.String()
}

// printer writes values as YAML: those of the model by their Go names, objects as their manifests.
type printer struct {
	t       *testing.T
	to      *strings.Builder
	marshal func(any) ([]byte, error)
}

// key is what updates are keyed by.
type key interface {
	comparable
	fmt.Stringer
}

func printMap[K key, V any](p *printer, name string, values map[K]V, order func(a, b K) int) {
	p.t.Helper()
	if len(values) == 0 {
		return
	}
	fmt.Fprintf(p.to, "%s:\n", name)
	for _, id := range slices.SortedFunc(maps.Keys(values), order) {
		text, err := p.marshal(values[id])
		if err != nil {
			p.t.Fatal(err)
		}
		lines := strings.TrimRight(string(text), "\n")
		if !strings.Contains(lines, "\n") {
			fmt.Fprintf(p.to, "  %s: %s\n", id, lines)
			continue
		}
		fmt.Fprintf(p.to, "  %s:\n    %s\n", id, strings.ReplaceAll(lines, "\n", "\n    "))
	}
}
