package sourcetest

import (
	"net/netip"
	"testing"

	"outrigger.dev/outrigger/discovery"
)

// Registry is what a source reads, as the suite writes to it. Methods fail the test when they cannot do it.
type Registry interface {
	// Source returns a new source that reads the registry.
	Source(t *testing.T) discovery.Source
	// PutService creates or replaces a service.
	PutService(t *testing.T, s Service)
	// DeleteService removes one on purpose.
	DeleteService(t *testing.T, id discovery.ServiceID)
	// PutWorkload creates or replaces an instance of a service.
	PutWorkload(t *testing.T, w Workload)
	// DeleteWorkload removes one on purpose.
	DeleteWorkload(t *testing.T, id discovery.WorkloadID)
	// Break makes the registry unreadable; what it holds stays.
	Break(t *testing.T)
	// Mend ends that.
	Mend(t *testing.T)
}

// NamespaceRegistry is a Registry that knows namespaces apart from what is in them.
type NamespaceRegistry interface {
	Registry
	// PutNamespace creates or replaces a namespace, which has at least these labels then.
	PutNamespace(t *testing.T, name string, labels map[string]string)
	// DeleteNamespace removes one on purpose. The registry may say for a while that it is being removed.
	DeleteNamespace(t *testing.T, name string)
}

// Service is a service with one port whose endpoints are the workloads of its namespace with App.
type Service struct {
	ID         discovery.ServiceID
	App        string
	VIP        netip.Addr
	Port       uint16
	TargetPort uint16
}

// Workload is an instance that belongs to the services with App.
type Workload struct {
	ID      discovery.WorkloadID
	App     string
	Address netip.Addr
	Account string
	Health  discovery.Health
}
