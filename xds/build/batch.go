package build

import (
	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy"
	"outrigger.dev/outrigger/xds/cache"
)

// Batch is what changed. Later updates go over earlier ones, key by key.
type Batch struct {
	Updates []discovery.Update
	Rules   []policy.Update
	// Retire hands back retirements whose delay is over, in any order; those that were overtaken do nothing.
	Retire []Retirement
}

// Retirement says that the last endpoint of a peer has gone from a service
// port. The cluster still accepts the peer, until the retirement is handed back.
type Retirement struct {
	Service discovery.ServiceID
	Port    uint16
	// Identity is the peer's SPIFFE id; it is empty for plain text.
	Identity string
	// Seq tells this retirement from an earlier one of the same peer.
	Seq uint64
}

// Changes is what follows from a batch.
type Changes struct {
	// Resources are sorted by layer, type and name; no name occurs twice in a layer.
	Resources []cache.Change
	// Nodes holds the views that changed, by node id; nil says that the node is gone.
	Nodes map[string]*cache.ViewSpec
	// Retired are to be handed back by Batch.Retire, when no connection to the peer is wanted any more.
	Retired []Retirement
	// Problems holds, for every object whose problems changed, all that is wrong with it now; none: clean.
	Problems map[discovery.ObjectID][]discovery.Problem
	// Work counts what was resolved, whether or not it differed from the last.
	Work Work
}

// Empty reports whether nothing is to be published.
func (c *Changes) Empty() bool { return len(c.Resources) == 0 && len(c.Nodes) == 0 }

// Work counts the records that a batch made dirty.
type Work struct {
	// Ports are service ports: a cluster and an assignment each.
	Ports int
	// Listeners are services whose virtual addresses were looked at.
	Listeners int
	// Workloads are instances whose class and view were looked at.
	Workloads int
	// Egress are proxy rules whose explicit listeners were looked at.
	Egress int
}
