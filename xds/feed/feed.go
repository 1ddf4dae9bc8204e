package feed

import (
	"context"
	"errors"
	"time"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy"
	"outrigger.dev/outrigger/xds/build"
	"outrigger.dev/outrigger/xds/cache"
)

// DefaultRetireDelay fits proxies that drain listeners for 45 s, the default of xds/server, with 5 s to spare. Envoy itself
// drains for 10 min unless --drain-time-s says otherwise: whoever serves such proxies sets Config.RetireDelay.
const DefaultRetireDelay = 50 * time.Second

// Config is what a Feed needs.
type Config struct {
	// Builder belongs to the Feed from now on.
	Builder *build.Builder
	// Store is published to by the Feed alone.
	Store *cache.Store
	// Sources all have to be synced before anything is published.
	Sources  []discovery.SourceID
	Observer Observer
	// RetireDelay is for how long a cluster accepts a peer after its last endpoint has gone. It is to be longer
	// than proxies drain a listener (server.Timing.Drain); 0 means DefaultRetireDelay.
	RetireDelay time.Duration
	// Revised, when not nil, is told that all of a source's revision is visible with a publication, also where
	// nothing followed from it. It comes from the goroutine of Run and must not block.
	Revised func(revision string, publication cache.Rev)
}

// Input is a change, or several: what a source says, what was compiled, or both.
type Input struct {
	Update discovery.Update
	Rules  policy.Update
	// Revision names the state that the source is in with this change; empty: as before.
	Revision string
	// ReadAt is when the source read it; zero: not to be measured.
	ReadAt time.Time
}

// Feed takes changes in and publishes what follows from them.
type Feed struct {
	builder     *build.Builder
	store       *cache.Store
	observer    Observer
	retireDelay time.Duration
	revised     func(string, cache.Rev)

	inbox inbox
	ready chan struct{}

	// Only the goroutine of Run may touch what follows.
	published bool
	// shards are the endpoints that were applied last.
	shards   map[discovery.ShardID]*discovery.EndpointSet
	troubles map[discovery.SourceID]error
	retired  retirements
}

// New returns a Feed; the error says what is missing from the Config.
func New(c Config) (*Feed, error) {
	if c.Builder == nil || c.Store == nil || c.Observer == nil {
		return nil, errors.New("feed: a Builder, a Store and an Observer are needed")
	}
	if c.Revised == nil {
		c.Revised = func(string, cache.Rev) {}
	}
	if c.RetireDelay == 0 {
		c.RetireDelay = DefaultRetireDelay
	}
	return &Feed{
		builder: c.Builder, store: c.Store, observer: c.Observer, retireDelay: c.RetireDelay, revised: c.Revised,
		inbox: newInbox(c.Sources), ready: make(chan struct{}),
		shards: map[discovery.ShardID]*discovery.EndpointSet{}, troubles: map[discovery.SourceID]error{},
	}, nil
}

// Offer hands a change over. It returns at once; the values must not be changed any more.
func (f *Feed) Offer(in Input) { f.inbox.put(in) }

// Expect has the first publication wait for a source that became known only now; after that it does nothing.
func (f *Feed) Expect(source discovery.SourceID) { f.inbox.expect(source) }

// Unexpect says that a source will tell nothing any more.
func (f *Feed) Unexpect(source discovery.SourceID) {
	f.inbox.unexpect(source)
	f.Offer(Input{})
}

// Ready returns a channel that is closed after the first publication.
func (f *Feed) Ready() <-chan struct{} { return f.ready }

// Run applies and publishes until ctx ends, and returns ctx's error.
func (f *Feed) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-f.inbox.wake:
		case <-timer.C:
		}
		f.round()
		if wait, some := f.retired.wait(time.Now()); some {
			timer.Reset(wait)
		}
	}
}

// round takes in all that has come together.
func (f *Feed) round() {
	f.tellTroubles(f.inbox.takeTroubles())
	work, synced := f.inbox.take()
	if !synced {
		return
	}
	if !f.published {
		f.observer.Synced()
	}
	retire := f.retired.due(time.Now())
	if !work.isEmpty() || len(retire) > 0 || !f.published {
		f.apply(work, retire)
	}
	if work != nil && work.revision != "" {
		f.revised(work.revision, f.store.Rev())
	}
}

func (f *Feed) tellTroubles(now map[discovery.SourceID]error) {
	for source, err := range now {
		if sameError(f.troubles[source], err) {
			continue
		}
		f.troubles[source] = err
		f.observer.Trouble(source, err)
	}
}

func sameError(a, b error) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return a.Error() == b.Error()
}

// apply publishes once, or twice where endpoints go that need not wait for the rest.
func (f *Feed) apply(work *pending, retire []build.Retirement) {
	j := f.setOut(work)
	defer j.done()
	if first := f.takeLosses(work); len(first) > 0 {
		f.publish(build.Batch{Updates: []discovery.Update{{Endpoints: first}}}, j)
		if work.isEmpty() && len(retire) == 0 {
			return
		}
	}
	f.publish(work.batch(retire), j)
}

// takeLosses takes out what goes first, and keeps what will have been applied.
func (f *Feed) takeLosses(work *pending) map[discovery.ShardID]*discovery.EndpointSet {
	first := work.split(f.shards)
	remember(f.shards, first)
	if work != nil {
		for _, u := range work.updates {
			remember(f.shards, u.Endpoints)
		}
	}
	return first
}

func remember(shards, applied map[discovery.ShardID]*discovery.EndpointSet) {
	for id, set := range applied {
		if set == nil {
			delete(shards, id)
			continue
		}
		shards[id] = set
	}
}

// publish applies a batch and makes visible what follows from it.
func (f *Feed) publish(batch build.Batch, j *journey) {
	start := time.Now()
	changes := f.builder.Apply(batch)
	if !changes.Empty() || !f.published {
		j.leg(f.store, cache.Publication{Changes: changes.Resources, Nodes: changes.Nodes})
	}
	if !f.published {
		f.published = true
		close(f.ready)
	}
	f.retired.add(changes.Retired, time.Now().Add(f.retireDelay))
	f.observer.Applied(changes, time.Since(start))
}
