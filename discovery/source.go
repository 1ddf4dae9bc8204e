package discovery

import (
	"context"
	"time"
)

// Source watches one registry.
type Source interface {
	// Run sends the full state first, with Synced in its last update, then
	// changes, until ctx ends or the source cannot go on. It never closes out.
	// It returns ctx's error, or the reason why no update will follow.
	Run(ctx context.Context, out chan<- Update) error
}

// Update carries typed upserts; a nil value says that the key is gone.
// Two updates of one source merge key by key, and the last wins.
type Update struct {
	Source SourceID
	// Synced says that the initial state is complete with this update.
	Synced bool
	// Trouble, when not nil, says that what is missing from now on is not to be
	// believed; nil again says that the trouble is over.
	Trouble   error
	Services  map[ServiceID]*Service
	Endpoints map[ShardID]*EndpointSet
	Workloads map[WorkloadID]*Workload
	// Nodes are the machines that a registry knows apart from what runs on them, by name.
	Nodes map[string]*Node
	// Namespaces are those that a registry knows apart from what is in them, by name.
	Namespaces map[string]*Namespace
	// Problems holds, for every object whose problems changed, all that is wrong with it now; none: clean.
	Problems map[ObjectID][]Problem
	// ReadAt is when the first of the changes was read from the registry; zero: not to be measured.
	ReadAt time.Time
}

// Confirmer is a Source that can read a service's endpoints a second time, consistently.
type Confirmer interface {
	Confirm(ctx context.Context, id ServiceID) (*EndpointSet, error)
}

// ServiceConfirmer is a Source that can list a second time, consistently, the services that there are.
type ServiceConfirmer interface {
	ConfirmServices(ctx context.Context) ([]ServiceID, error)
}

// WorkloadConfirmer is a Source that can list a second time, consistently, the workloads that there are.
type WorkloadConfirmer interface {
	ConfirmWorkloads(ctx context.Context) ([]WorkloadID, error)
}
