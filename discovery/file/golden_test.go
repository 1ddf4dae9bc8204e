package file_test

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
	yamlv3 "go.yaml.in/yaml/v3"
	"sigs.k8s.io/yaml"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/discovery/file"
	"outrigger.dev/outrigger/test/golden"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestFolders loads every folder of testdata/in.
func TestFolders(t *testing.T) {
	golden.Folders(t, "testdata/in", "testdata/out", func(t *testing.T, dir string) map[string][]byte {
		t.Helper()
		loaded, problems, err := file.Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		return map[string][]byte{"update.yaml": printUpdate(t, loaded), "problems.txt": printProblems(problems)}
	})
}

func printProblems(problems []discovery.Problem) []byte {
	var b bytes.Buffer
	for _, problem := range problems {
		level := "error"
		if problem.Warning {
			level = "warning"
		}
		fmt.Fprintf(&b, "%s %s: %s\n", level, problem.Reason, problem)
	}
	return b.Bytes()
}

// printUpdate prints an update without its problems, in the order of its keys.
func printUpdate(t *testing.T, u file.Update) []byte {
	t.Helper()
	var b bytes.Buffer
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
	return b.Bytes()
}

// printer writes values as YAML: those of the model by their Go names, objects as their manifests.
type printer struct {
	t       *testing.T
	to      io.Writer
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
