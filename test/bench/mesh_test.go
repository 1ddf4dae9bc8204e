package main

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/discovery/file"
)

// load reads a mesh as the server does, and fails on anything that is wrong with it.
func load(t *testing.T, m mesh) file.Update {
	t.Helper()
	loaded, problems, err := file.Load(m.dir)
	if err != nil || len(problems) > 0 {
		t.Fatalf("problems %v, error %v", problems, err)
	}
	return loaded
}

// addresses returns those of each service's endpoints; no two are the same.
func addresses(t *testing.T, u file.Update) map[string][]netip.AddrPort {
	t.Helper()
	all, seen := map[string][]netip.AddrPort{}, map[netip.AddrPort]bool{}
	for shard, set := range u.Endpoints {
		for _, port := range set.Ports {
			for _, e := range port.Endpoints {
				if seen[e.Address] {
					t.Errorf("two endpoints at %s", e.Address)
				}
				seen[e.Address] = true
				all[shard.Service.Name] = append(all[shard.Service.Name], e.Address)
			}
		}
	}
	return all
}

func TestMeshIsWhatTheTableSays(t *testing.T) {
	for _, capture := range []bool{false, true} {
		t.Run(fmt.Sprint("capture ", capture), func(t *testing.T) {
			// More than 250 of a kind have addresses in more than one /24.
			m := mesh{dir: filepath.Join(t.TempDir(), "mesh"), services: 300, streams: 260, capture: capture}
			if err := m.write(); err != nil {
				t.Fatal(err)
			}
			u := load(t, m)
			if len(u.Services) != m.services || len(u.Workloads) != 2*m.services+m.streams {
				t.Errorf("%d services, %d workloads", len(u.Services), len(u.Workloads))
			}
			for name, endpoints := range addresses(t, u) {
				if len(endpoints) != 2 {
					t.Errorf("%s has the endpoints %v", name, endpoints)
				}
			}
			for i := range m.streams {
				id := discovery.WorkloadID{Namespace: namespace, Name: clientName(i)}
				if w := u.Workloads[id]; w == nil || w.ServiceAccount != "client" {
					t.Errorf("%s: %+v", id, w)
				}
			}
			if got := len(u.Policies.ProxyConfigs); (got == 0) != capture {
				t.Errorf("%d proxy configurations", got)
			}
			if got := m.seenBy(7, m.streams); got != m.streams {
				t.Errorf("%d clients see a service that all do", got)
			}
		})
	}
}

func TestEveryGenerationMovesOneEndpoint(t *testing.T) {
	m := mesh{dir: filepath.Join(t.TempDir(), "mesh"), services: 3, streams: 1}
	if err := m.write(); err != nil {
		t.Fatal(err)
	}
	before := addresses(t, load(t, m))
	for generation := 1; generation <= 300; generation += 99 {
		if err := m.writeService(1, generation); err != nil {
			t.Fatal(err)
		}
		after := addresses(t, load(t, m))
		if len(after) != m.services {
			t.Fatalf("%d services", len(after))
		}
		for name, was := range before {
			want := 0
			if name == serviceName(1) {
				want = 1
			}
			if got := different(was, after[name]); got != want {
				t.Errorf("generation %d: %d endpoints of %s moved, want %d", generation, got, name, want)
			}
		}
		before = after
	}
}

// different counts the addresses of a that b has not.
func different(a, b []netip.AddrPort) int {
	has := map[netip.AddrPort]bool{}
	for _, address := range b {
		has[address] = true
	}
	n := 0
	for _, address := range a {
		if !has[address] {
			n++
		}
	}
	return n
}

func TestNothingButTheMeshIsInItsFolder(t *testing.T) {
	m := mesh{dir: filepath.Join(t.TempDir(), "mesh"), services: 1, streams: 1}
	if err := m.write(); err != nil {
		t.Fatal(err)
	}
	if err := m.writeService(0, 1); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]int{m.dir: 3, filepath.Dir(m.dir): 1} {
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != want {
			t.Errorf("%v, error %v; want %d", entries, err, want)
		}
	}
}
