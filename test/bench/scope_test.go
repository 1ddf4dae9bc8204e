package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"outrigger.dev/outrigger/discovery"
)

// scopesOf returns what each client of a mesh declares, by its name, sorted.
func scopesOf(t *testing.T, m mesh) map[string][]string {
	t.Helper()
	u := load(t, m)
	byApp := map[string][]string{}
	for _, p := range u.Policies.ProxyConfigs {
		var names []string
		for _, s := range p.Spec.Egress.Services {
			names = append(names, string(s.Name))
		}
		slices.Sort(names)
		byApp[string(p.Spec.Selector.MatchLabels["app"])] = names
	}
	all := map[string][]string{}
	for i := range m.streams {
		id := discovery.WorkloadID{Namespace: namespace, Name: clientName(i)}
		all[clientName(i)] = byApp[u.Workloads[id].Labels["app"]]
	}
	return all
}

// TestScopesAreWhatTheTableSays: every client declares as many services as it is said to, and the service that changes is
// seen by as many clients.
func TestScopesAreWhatTheTableSays(t *testing.T) {
	for _, m := range []mesh{
		{services: 100, streams: 95, scope: 20},
		{services: 40, streams: 500, scope: 10, capture: true}, // too few services for groups of ten
		{services: 8, streams: 3, scope: 2},
	} {
		t.Run(fmt.Sprint(m.services, " services"), func(t *testing.T) {
			m.dir = filepath.Join(t.TempDir(), "mesh")
			if err := m.write(); err != nil {
				t.Fatal(err)
			}
			scopes, seen := scopesOf(t, m), map[string]int{}
			for client, scope := range scopes {
				if got := slices.Compact(slices.Clone(scope)); len(got) != m.scope {
					t.Errorf("%s declares %v", client, got)
				}
				for _, service := range scope {
					seen[service]++
				}
			}
			for g := range m.groups() {
				if got, want := seen[serviceName(g)], m.seenBy(g, m.streams); got != want || want < 1 {
					t.Errorf("%d clients see service %d, want %d", got, g, want)
				}
			}
			if m.streams > groupOf && m.seenBy(0, m.streams) < groupOf {
				t.Errorf("%d clients see a change", m.seenBy(0, m.streams))
			}
			if err := m.writeProxies(true); err != nil {
				t.Fatal(err)
			}
			for client, after := range scopesOf(t, m) {
				before := scopes[client]
				gone := slices.DeleteFunc(slices.Clone(before), func(s string) bool { return slices.Contains(after, s) })
				come := slices.DeleteFunc(slices.Clone(after), func(s string) bool { return slices.Contains(before, s) })
				if len(gone) != 1 || !slices.Equal(come, []string{serviceName(m.spare())}) {
					t.Errorf("%s no longer sees %v, and sees %v", client, gone, come)
				}
			}
		})
	}
}
