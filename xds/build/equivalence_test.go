package build

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"outrigger.dev/outrigger/xds/cache"
)

// TestEquivalence: whatever happened, in whatever order and batches, a Builder holds what one
// holds that is told the outcome at once.
func TestEquivalence(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		if err := tell(histories().Draw(t, "history"), 0); err != nil {
			t.Fatal(err)
		}
	})
}

// TestEveryEdgeCounts cuts one edge after the other: the comparison that finds nothing wrong
// with the whole Builder has to find something wrong with each of these.
func TestEveryEdgeCounts(t *testing.T) {
	t.Parallel()
	for e := edge(1); e <= lastEdge; e++ {
		t.Run(fmt.Sprint(e), func(t *testing.T) {
			t.Parallel()
			const attempts = 300
			for seed := range attempts {
				if err := tell(histories().Example(seed), setOf(e)); err != nil {
					return
				}
			}
			t.Errorf("%d histories without edge %d of doc.go, and nothing was missed", attempts, e)
		})
	}
}

// tell runs a history through a Builder without some edges. The error says where it differs from what it should hold.
func tell(history []step, without edgeSet) error {
	r := newRetelling()
	r.builder.cut = without
	for i, s := range history {
		if err := r.next(s); err != nil {
			return fmt.Errorf("step %d: %w", i, err)
		}
		if err := r.compare(s.compare || i == len(history)-1); err != nil {
			return fmt.Errorf("after step %d: %w", i, err)
		}
	}
	return nil
}

// retelling is a Builder with all that it has said, also as a store shows it to nodes.
type retelling struct {
	builder *Builder
	world   *world
	store   *cache.Store
	facts   facts
	pending []Retirement
}

func newRetelling() *retelling {
	return &retelling{
		builder: New(Config{TrustDomain: "cluster.local"}), world: newWorld(), store: cache.NewStore(), facts: newFacts(),
	}
}

func (r *retelling) next(s step) error {
	r.facts.apply(s)
	batch := Batch{Updates: s.updates, Rules: s.rules}
	for _, n := range s.retire {
		if len(r.pending) > 0 {
			i := n % len(r.pending)
			batch.Retire = append(batch.Retire, r.pending[i])
			r.pending = slices.Delete(r.pending, i, i+1)
		}
	}
	return r.apply(batch)
}

func (r *retelling) apply(batch Batch) error {
	changes := r.builder.Apply(batch)
	r.pending = append(r.pending, changes.Retired...)
	r.store.Publish(cache.Publication{Changes: changes.Resources, Nodes: changes.Nodes})
	return r.world.apply(changes)
}

// compare looks at everything once all retirements are handed back, and before that at everything but clusters, which
// may accept more for a while.
func (r *retelling) compare(settled bool) error {
	if settled {
		pending := r.pending
		r.pending = nil
		if err := r.apply(Batch{Retire: pending}); err != nil {
			return err
		}
	}
	want := newRetelling()
	if err := want.apply(r.facts.batch()); err != nil {
		return err
	}
	if settled {
		return errors.Join(differ(r.world, want.world), r.compareNodes(want))
	}
	have := r.world.clone()
	for p := range joined(have.resources, want.world.resources) {
		if (p.layer == MeshLayer || p.layer == GRPCLayer) && p.ref.Type == cache.Cluster && have.resources[p] != nil {
			delete(have.resources, p)
			delete(want.world.resources, p)
		}
	}
	return differ(have, want.world)
}

func differ(have, want *world) error {
	if differences := have.differences(want); len(differences) > 0 {
		return fmt.Errorf("%d differences:\n%s", len(differences), strings.Join(differences, "\n"))
	}
	return nil
}

// compareNodes looks at what each node sees through its layers and scope.
func (r *retelling) compareNodes(want *retelling) error {
	for node := range want.world.nodes {
		have, err := seen(r.store, node)
		if err != nil {
			return err
		}
		should, err := seen(want.store, node)
		if err != nil {
			return err
		}
		for t := range cache.NumTypes {
			cache.Diff(have, should, cache.Type(t), func(older, newer *cache.Resource) {
				err = fmt.Errorf("node %s sees %s, should see %s", node, describe(older), describe(newer))
			})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func seen(store *cache.Store, node string) (*cache.Snapshot, error) {
	sub, err := store.Subscribe(node, nil)
	if err != nil {
		return nil, err
	}
	defer sub.Close()
	snapshot, _ := sub.Current()
	return snapshot, nil
}

// TestNothingStays: when everything has gone, no record is left behind.
func TestNothingStays(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := newRetelling()
		for _, s := range histories().Draw(t, "history") {
			if err := r.next(s); err != nil {
				t.Fatal(err)
			}
		}
		r.builder.Apply(r.facts.removal())
		b := r.builder
		left := len(b.services) + len(b.workloads) + len(b.namespaces) + len(b.proxies) + len(b.peers) + len(b.classes) + len(b.claims) +
			b.proxyless + len(b.zones) + len(b.zoned) + len(b.mesh.rules) + len(b.ledger.counts) + len(b.ledger.told)
		if left != 0 {
			t.Fatalf("%d records are left: %+v", left, b)
		}
	})
}
