package large_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/discovery/hold"
	"outrigger.dev/outrigger/discovery/merge"
	"outrigger.dev/outrigger/xds/build"
	"outrigger.dev/outrigger/xds/cache"
	"outrigger.dev/outrigger/xds/feed"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var source = discovery.SourceID{Kind: "consul", Name: "dc1"}

// line is all stages between a source and the streams, as the server puts them together.
type line struct {
	t      *testing.T
	keeper *hold.Keeper
	merge  *merge.Merge
	feed   *feed.Feed
	store  *cache.Store
	// changes are those that followed from the last update.
	changes []cache.Change
}

// start runs the stages until the test ends; it is for a bubble.
func start(t *testing.T) *line {
	t.Helper()
	l := &line{t: t, keeper: hold.NewKeeper(source, hold.Reads{}), merge: merge.New(), store: cache.NewStore()}
	var err error
	l.feed, err = feed.New(feed.Config{
		Builder: build.New(build.Config{TrustDomain: "cluster.local"}), Store: l.store,
		Sources: []discovery.SourceID{source}, Observer: observer{l},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.feed.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Run returned %v", err)
		}
	})
	synctest.Wait()
	return l
}

// say takes an update through all stages, and returns how many bytes were allocated on the way.
func (l *line) say(u discovery.Update) (allocated uint64) {
	l.t.Helper()
	l.changes = nil
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	u.Source = source
	believed, asked := l.keeper.Apply(time.Now(), u)
	for _, update := range l.merge.Apply(believed).Updates {
		l.feed.Offer(feed.Input{Update: update})
	}
	synctest.Wait()
	runtime.ReadMemStats(&after)
	if len(asked) > 0 {
		l.t.Errorf("%v is to be read again", asked)
	}
	return after.TotalAlloc - before.TotalAlloc
}

// observer gathers what follows.
type observer struct{ *line }

func (o observer) Applied(c build.Changes, _ time.Duration) {
	o.changes = append(o.changes, c.Resources...)
}

func (observer) Synced()                           {}
func (observer) Trouble(discovery.SourceID, error) {}
func (observer) Sent(time.Duration)                {}
func (observer) Propagated(time.Duration)          {}
