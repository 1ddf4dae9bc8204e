package kubesource_test

import (
	"bytes"
	"maps"
	"slices"
	"testing"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/test/fault"
)

// The second lists of all services and all workloads have what the source says, and ask etcd: they name no version.
func TestConfirmAllAsksConsistently(t *testing.T) {
	r := open(t)
	proxy := overheard(t, r)
	all := started(t, r)
	workloads, err := all.source.ConfirmWorkloads(t.Context())
	must(t, err)
	if said := slices.SortedFunc(maps.Keys(all.workloads), discovery.WorkloadID.Compare); !slices.Equal(workloads, said) || len(said) == 0 {
		t.Errorf("it confirms %v, and said %v", workloads, said)
	}
	services, err := all.source.ConfirmServices(t.Context())
	must(t, err)
	if said := slices.SortedFunc(maps.Keys(all.services), discovery.ServiceID.Compare); !slices.Equal(services, said) || len(said) == 0 {
		t.Errorf("it confirms %v, and said %v", services, said)
	}
	for _, path := range []string{"/api/v1/pods", "/api/v1/services", "/apis/outrigger.dev/v1alpha1/workloads"} {
		asked := []byte("GET " + path + "?limit=500 HTTP/1.1")
		if !slices.ContainsFunc(proxy.Log(), func(c fault.Connection) bool { return bytes.Contains(c.Sent, asked) }) {
			t.Errorf("nobody asked %s", asked)
		}
	}
}
