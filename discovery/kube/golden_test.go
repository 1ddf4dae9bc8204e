package kube

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/test/golden"
)

// TestStates reads every state of testdata/in, as a server tells it.
func TestStates(t *testing.T) {
	golden.Run(t, "testdata/in", "testdata/out", func(t *testing.T, input []byte) map[string][]byte {
		t.Helper()
		m := newModel(t)
		m.load(t, string(input))
		update := m.begin(t)
		return map[string][]byte{"update.yaml": printUpdate(t, update), "problems.txt": printProblems(update)}
	})
}

func printProblems(u discovery.Update) []byte {
	var b bytes.Buffer
	for _, id := range slices.SortedFunc(maps.Keys(u.Problems), discovery.ObjectID.Compare) {
		for _, problem := range u.Problems[id] {
			level := "error"
			if problem.Warning {
				level = "warning"
			}
			fmt.Fprintf(&b, "%s %s: %s\n", level, problem.Reason, problem)
		}
	}
	return b.Bytes()
}

// printUpdate prints the model, in the order of its keys.
func printUpdate(t *testing.T, u discovery.Update) []byte {
	t.Helper()
	var b bytes.Buffer
	printMap(t, &b, "services", u.Services, discovery.ServiceID.Compare)
	printMap(t, &b, "endpoints", u.Endpoints, func(a, b discovery.ShardID) int { return a.Service.Compare(b.Service) })
	printMap(t, &b, "workloads", u.Workloads, discovery.WorkloadID.Compare)
	printMap(t, &b, "nodes", u.Nodes, strings.Compare)
	printMap(t, &b, "namespaces", u.Namespaces, strings.Compare)
	return b.Bytes()
}

func printMap[K comparable, V any](t *testing.T, to *bytes.Buffer, name string, values map[K]V, order func(a, b K) int) {
	t.Helper()
	if len(values) == 0 {
		return
	}
	fmt.Fprintf(to, "%s:\n", name)
	for _, id := range slices.SortedFunc(maps.Keys(values), order) {
		text, err := yaml.Marshal(values[id])
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.TrimRight(string(text), "\n")
		fmt.Fprintf(to, "  %v:\n    %s\n", id, strings.ReplaceAll(lines, "\n", "\n    "))
	}
}
