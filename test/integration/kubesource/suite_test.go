package kubesource_test

import (
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/discovery/sourcetest"
)

// TestSuitePods runs the suite with pods, whose EndpointSlices the real controller makes.
func TestSuitePods(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T) sourcetest.Registry {
		t.Helper()
		return open(t)
	})
}

// TestSuiteMachines runs it with Workloads of outrigger.dev.
func TestSuiteMachines(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T) sourcetest.Registry {
		t.Helper()
		return &machines{registry: open(t)}
	})
}

// machines is a cluster whose instances are machines outside.
type machines struct{ *registry }

func (m *machines) PutWorkload(t *testing.T, w sourcetest.Workload) {
	t.Helper()
	must(t, m.kube.AddNamespace(t.Context(), w.ID.Namespace))
	health := w.Health.String()
	must(t, m.kube.Apply(t.Context(), fmt.Sprintf(`apiVersion: outrigger.dev/v1alpha1
kind: Workload
metadata: {namespace: %s, name: %s, labels: {app: %s}}
spec: {addresses: [%q], serviceAccountName: %s, health: %s}
`, w.ID.Namespace, w.ID.Name, w.App, w.Address, w.Account, strings.ToUpper(health[:1])+health[1:])))
}

func (m *machines) DeleteWorkload(t *testing.T, id discovery.WorkloadID) {
	t.Helper()
	objects, err := m.kube.Dynamic()
	must(t, err)
	must(t, objects.Resource(workloads).Namespace(id.Namespace).Delete(t.Context(), id.Name, metav1.DeleteOptions{}))
}
