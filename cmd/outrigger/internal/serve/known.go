package serve

import (
	"context"
	"maps"

	"golang.org/x/sync/errgroup"

	"outrigger.dev/outrigger/discovery"
)

// known are the keys that a source has told. When a source takes another one's place, such as the same Consul at another
// address, what the first one told stays until the second one has told its whole state, and what is missing
// from that is taken away with it.
type known struct {
	services  map[discovery.ServiceID]*discovery.Service
	endpoints map[discovery.ShardID]*discovery.EndpointSet
	workloads map[discovery.WorkloadID]*discovery.Workload
	nodes     map[string]*discovery.Node
	problems  map[discovery.ObjectID][]discovery.Problem
}

// note takes in an update. Values are nil where only the key counts.
func (k *known) note(u discovery.Update) {
	noteKeys(&k.services, u.Services)
	noteKeys(&k.endpoints, u.Endpoints)
	noteKeys(&k.workloads, u.Workloads)
	noteKeys(&k.nodes, u.Nodes)
	if k.problems == nil {
		k.problems = map[discovery.ObjectID][]discovery.Problem{}
	}
	for object, list := range u.Problems {
		if len(list) == 0 {
			delete(k.problems, object)
			continue
		}
		k.problems[object] = nil
	}
}

func noteKeys[K comparable, V any](keys *map[K]*V, said map[K]*V) {
	if *keys == nil {
		*keys = map[K]*V{}
	}
	for key, value := range said {
		if value == nil {
			delete(*keys, key)
			continue
		}
		(*keys)[key] = nil
	}
}

// without adds to an update that all keys are gone which another source did not tell.
func (k *known) without(u *discovery.Update, other *known) {
	u.Services = goneKeys(u.Services, k.services, other.services)
	u.Endpoints = goneKeys(u.Endpoints, k.endpoints, other.endpoints)
	u.Workloads = goneKeys(u.Workloads, k.workloads, other.workloads)
	u.Nodes = goneKeys(u.Nodes, k.nodes, other.nodes)
	u.Problems = goneKeys(u.Problems, k.problems, other.problems)
}

// goneKeys returns said with the zero value for every key of before that is not in now.
func goneKeys[K comparable, V any](said, before, now map[K]V) map[K]V {
	said = maps.Clone(said)
	for key := range before {
		if _, told := now[key]; told {
			continue
		}
		if said == nil {
			said = map[K]V{}
		}
		var gone V
		said[key] = gone
	}
	return said
}

// run is a source that takes the place of what is known, and is what is known from then on.
func (k *known) run(source func(context.Context, chan<- discovery.Update) error) func(context.Context, chan<- discovery.Update) error {
	return func(ctx context.Context, out chan<- discovery.Update) error {
		group, ctx := errgroup.WithContext(ctx)
		in := make(chan discovery.Update)
		group.Go(func() error { return source(ctx, in) })
		group.Go(func() error { return k.pass(ctx, in, out) })
		return group.Wait()
	}
}

func (k *known) pass(ctx context.Context, in <-chan discovery.Update, out chan<- discovery.Update) error {
	fresh, synced := &known{}, false
	for {
		var u discovery.Update
		select {
		case <-ctx.Done():
			return ctx.Err()
		case u = <-in:
		}
		fresh.note(u)
		k.note(u)
		taken := u.Synced && !synced
		if taken {
			k.without(&u, fresh)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case out <- u:
		}
		if taken {
			synced, *k = true, *fresh
			fresh = k
		}
	}
}
