package hold

import (
	"maps"
	"slices"
	"time"

	"outrigger.dev/outrigger/discovery"
)

// Reason is why something is held.
type Reason string

// The reasons.
const (
	// InTrouble: the source is in trouble.
	InTrouble Reason = "Trouble"
	// FromFile: the source has not told its state yet; what is served is from the last-good file.
	FromFile Reason = "LastGoodFile"
	// FromBefore: the source has not told its state yet; what is served is from the one in whose place it is.
	FromBefore Reason = "Reconfigured"
	// Unconfirmed: trouble is over, and a mass drop waits for a second read or for the end of Patience.
	Unconfirmed Reason = "Unconfirmed"
	// Contradicted: a second read still had some of what the source says is gone.
	Contradicted Reason = "Contradicted"
)

// Counts are what holds led to, since the start.
type Counts struct {
	// Saved counts live endpoints that would have been lost: held, and then there again.
	Saved uint64
	// Dead counts endpoints that were held and really gone; DeadFor is for how long they were, together, and Longest at most.
	Dead             uint64
	DeadFor, Longest time.Duration
	// Confirmed counts second reads that agreed, Contradicted those that did not, Failed those that could not be had.
	Confirmed, Contradicted, Failed uint64
}

func (c *Counts) dead(held time.Duration) {
	c.Dead++
	c.DeadFor += held
	c.Longest = max(c.Longest, held)
}

// Status is what is held of a source, and why.
type Status struct {
	Source discovery.SourceID
	// Trouble is what the source is in, since TroubleSince; nil: none.
	Trouble      error
	TroubleSince time.Time
	// LastGood is when the file was written that the state comes from; zero: it comes from the source.
	LastGood time.Time
	// ReadAt is when the registry was last heard in good order; zero: never.
	ReadAt time.Time
	// Reason and Since are why something is held, and since when the first of it; both are zero when nothing is.
	Reason Reason
	Since  time.Time
	// Endpoints counts held endpoints in all services, Total all that are sent.
	Endpoints, Total int
	// Services are those of which something is held, sorted.
	Services []HeldService
	// Workloads, Nodes and Namespaces count those that are held.
	Workloads, Nodes, Namespaces int
	// Policies are the policy objects that are held, sorted.
	Policies []discovery.ObjectID
	Counts   Counts
}

// HeldService is a service of which something is held.
type HeldService struct {
	ID discovery.ServiceID
	// Endpoints counts those that are held, of Total that are sent.
	Endpoints, Total int
	// Gone says that the service itself is held.
	Gone bool
	// Since is when the first of it was held.
	Since time.Time
}

// Holding reports whether anything is held.
func (s *Status) Holding() bool { return !s.Since.IsZero() }

// Status returns what is held. It takes time in proportion to that.
func (k *Keeper) Status() Status {
	s := Status{
		Source: k.source, Trouble: k.trouble, LastGood: k.lastGood, Endpoints: k.heldEndpoints, Total: k.endpoints,
		Services: k.heldServices(), Workloads: len(k.workloads.missing), Nodes: len(k.nodes.missing),
		Namespaces: len(k.namespaces.missing), Counts: k.counts,
	}
	if k.trouble != nil {
		s.TroubleSince = k.since
	}
	for _, service := range s.Services {
		s.Since = first(s.Since, service.Since)
	}
	s.Since = first(first(s.Since, earliest(k.workloads.missing)), first(earliest(k.nodes.missing), earliest(k.namespaces.missing)))
	s.Reason = k.reason()
	return s
}

// reason says why something is held; empty: nothing is.
func (k *Keeper) reason() Reason {
	switch {
	case !k.holding():
		return ""
	case k.contradicted+len(k.services.contradicted)+len(k.workloads.contradicted) > 0 && k.heldBecause() == Unconfirmed:
		return Contradicted
	}
	return k.heldBecause()
}

func (k *Keeper) heldServices() []HeldService {
	found := map[discovery.ServiceID]*HeldService{}
	of := func(id discovery.ServiceID) *HeldService {
		if found[id] == nil {
			found[id] = &HeldService{ID: id}
		}
		return found[id]
	}
	for id, sh := range k.held {
		service := of(id.Service)
		service.Endpoints += len(sh.held)
		service.Total += size(k.shards[id])
		service.Since = first(service.Since, sh.since)
	}
	for id, since := range k.services.missing {
		service := of(id)
		service.Gone, service.Since = true, first(service.Since, since)
	}
	services := make([]HeldService, 0, len(found))
	for _, id := range slices.SortedFunc(maps.Keys(found), discovery.ServiceID.Compare) {
		services = append(services, *found[id])
	}
	return services
}

// first returns the earlier of two times that are not zero.
func first(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func earliest[K comparable](since map[K]time.Time) time.Time {
	var found time.Time
	for _, at := range since {
		found = first(found, at)
	}
	return found
}
