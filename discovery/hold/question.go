package hold

import (
	"cmp"

	"outrigger.dev/outrigger/discovery"
)

// Subject is what a second read is of.
type Subject uint8

// The subjects.
const (
	// OfEndpoints: the endpoints of a service.
	OfEndpoints Subject = iota
	// OfServices and OfWorkloads: a list of all that there are.
	OfServices
	OfWorkloads
)

// Question is what a Keeper asks to be read a second time.
type Question struct {
	Of Subject
	// Service is that of OfEndpoints.
	Service discovery.ServiceID
}

// String returns "<namespace>/<name>", "all services" or "all workloads".
func (q Question) String() string {
	switch q.Of {
	case OfServices:
		return "all services"
	case OfWorkloads:
		return "all workloads"
	}
	return q.Service.String()
}

func (q Question) compare(other Question) int {
	return cmp.Or(cmp.Compare(q.Of, other.Of), q.Service.Compare(other.Service))
}

// Reads are the second reads that a source can be asked for.
type Reads struct{ Endpoints, Services, Workloads bool }

// readsOf returns those that a source has.
func readsOf(source discovery.Source) Reads {
	_, endpoints := source.(discovery.Confirmer)
	_, services := source.(discovery.ServiceConfirmer)
	_, workloads := source.(discovery.WorkloadConfirmer)
	return Reads{Endpoints: endpoints, Services: services, Workloads: workloads}
}
