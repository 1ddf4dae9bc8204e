package kube

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// olderLimit is how long a state that is older than what was seen is no news:
// then the cluster was restored for good.
const olderLimit = 5 * time.Minute

// guard judges whether what an API server says is to be believed, and keeps the
// troubles of the world. It is guarded by the world's lock.
type guard struct {
	world *world
	clock func() time.Time
	// began is when the guard was made.
	began time.Time
	// id is the cluster that answered first.
	id types.UID
	// highest and newest are the resource versions of each kind: the highest seen, and the last one.
	highest, newest map[string]uint64
	// older says since when a kind is older than it was.
	older map[string]time.Time
}

func newGuard(w *world, clock func() time.Time) *guard {
	return &guard{
		world: w, clock: clock, began: clock(),
		highest: make(map[string]uint64), newest: make(map[string]uint64), older: make(map[string]time.Time),
	}
}

// identify returns an error unless the cluster answers that answered first.
func (g *guard) identify(ctx context.Context, c *client) error {
	id, err := c.clusterID(ctx)
	if err != nil {
		return err
	}
	g.world.mu.Lock()
	defer g.world.mu.Unlock()
	if g.id == "" {
		g.id = id
	}
	if g.id != id {
		return fmt.Errorf("%w: the namespace kube-system has the UID %s and had %s; restart the server if that is meant", ErrOtherCluster, id, g.id)
	}
	return nil
}

// judge takes the version of a full state, before it counts. The world is locked.
func (g *guard) judge(part, version string) {
	number, ok := parseVersion(version)
	if !ok || number >= g.highest[part] {
		g.advance(part, version)
		g.world.trouble.end(part)
		return
	}
	g.newest[part] = number
	if g.older[part].IsZero() {
		g.older[part] = g.clock()
	}
	g.world.trouble.begin(part, fmt.Errorf("%w: resource version %d after %d, as after a restore", ErrOlder, number, g.highest[part]))
}

// advance takes the version of an event. The world is locked.
func (g *guard) advance(part, version string) {
	number, ok := parseVersion(version)
	if !ok {
		return
	}
	g.newest[part] = max(g.newest[part], number)
	if number < g.highest[part] {
		return
	}
	g.highest[part], g.newest[part] = number, number
	if !g.older[part].IsZero() {
		g.rejuvenate(part)
	}
}

// expire ends what was older for too long: it is the truth now.
func (g *guard) expire() {
	g.world.mu.Lock()
	defer g.world.mu.Unlock()
	for part, since := range g.older {
		if g.clock().Sub(since) >= olderLimit {
			g.highest[part] = g.newest[part]
			g.rejuvenate(part)
		}
	}
}

func (g *guard) rejuvenate(part string) {
	delete(g.older, part)
	if g.world.trouble.is(part, ErrOlder) {
		g.world.trouble.end(part)
	}
	g.world.wakeUp()
}

// begin notes a trouble of a part.
func (g *guard) begin(part string, err error) {
	g.world.mu.Lock()
	defer g.world.mu.Unlock()
	g.world.trouble.begin(part, err)
	g.world.wakeUp()
}

// end says that a part is in no trouble any more, and reports whether none is.
func (g *guard) end(part string) bool {
	g.world.mu.Lock()
	defer g.world.mu.Unlock()
	g.world.trouble.end(part)
	g.world.wakeUp()
	return g.world.trouble.none()
}

// olderParts are the kinds that are older than they were.
func (g *guard) olderParts() []string {
	g.world.mu.Lock()
	defer g.world.mu.Unlock()
	parts := make([]string, 0, len(g.older))
	for part := range g.older {
		parts = append(parts, part)
	}
	return parts
}

// parseVersion reads a resource version as the number that it is in every cluster known; false says that it is none.
func parseVersion(version string) (uint64, bool) {
	number, err := strconv.ParseUint(version, 10, 64)
	return number, err == nil
}

// trusted returns an error when what is read now would not count: another cluster answers, or an older state.
func (g *guard) trusted(ctx context.Context, c *client) error {
	if err := g.identify(ctx, c); err != nil {
		return err
	}
	if parts := g.olderParts(); len(parts) > 0 {
		return fmt.Errorf("%s: %w", parts[0], ErrOlder)
	}
	return nil
}
