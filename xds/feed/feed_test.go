package feed_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/xds/build"
	"outrigger.dev/outrigger/xds/cache"
	"outrigger.dev/outrigger/xds/feed"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const retireDelay = 50 * time.Second

// rig is a running Feed and all that it told.
type rig struct {
	*feed.Feed
	store *cache.Store

	mu         sync.Mutex
	synced     int
	troubles   []string
	applied    []build.Changes
	sent       []time.Duration
	propagated []time.Duration
	revised    []string
	// hold, when not nil, keeps Applied from returning until it is closed.
	hold chan struct{}
}

func (r *rig) Synced() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.synced++
}

func (r *rig) Trouble(source discovery.SourceID, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	text := source.String() + ": over"
	if err != nil {
		text = source.String() + ": " + err.Error()
	}
	r.troubles = append(r.troubles, text)
}

func (r *rig) Applied(c build.Changes, _ time.Duration) {
	r.mu.Lock()
	r.applied = append(r.applied, c)
	hold := r.hold
	r.mu.Unlock()
	if hold != nil {
		<-hold
	}
}

func (r *rig) Sent(since time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent = append(r.sent, since)
}

func (r *rig) Propagated(since time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.propagated = append(r.propagated, since)
}

// start runs a Feed in the bubble of a test until it ends.
func start(t *testing.T, sources ...discovery.SourceID) *rig {
	t.Helper()
	r := &rig{store: cache.NewStore()}
	var err error
	r.Feed, err = feed.New(feed.Config{
		Builder: build.New(build.Config{TrustDomain: "cluster.local"}), Store: r.store,
		Sources: sources, Observer: r, RetireDelay: retireDelay, Revised: r.note,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Run returned %v, want context.Canceled", err)
		}
	})
	synctest.Wait()
	return r
}

// taken returns what was applied since it was last called.
func (r *rig) taken() []build.Changes {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := r.applied
	r.applied = nil
	return taken
}

// pass lets time go by in the bubble of a test.
func pass(d time.Duration) { <-time.NewTimer(d).C }

// clusters returns the clusters that changes name.
func clusters(c build.Changes) []string {
	var out []string
	for _, r := range c.Resources {
		if r.Ref.Type == cache.Cluster {
			out = append(out, r.Ref.Name)
		}
	}
	return out
}

func TestNothingBeforeAllAreSynced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := start(t, fileSource, kubeSource)
		one, two := serviceInput("one"), serviceInput("two")
		one.Update.Synced = true
		r.Offer(one)
		if got := r.taken(); len(got) != 0 {
			t.Fatalf("applied %v before all sources were synced", got)
		}
		select {
		case <-r.Ready():
			t.Fatal("ready before anything was published")
		default:
		}
		two.Update.Source, two.Update.Synced = kubeSource, true
		r.Offer(two)
		got := r.taken()
		if len(got) != 1 || len(clusters(got[0])) != 3 {
			t.Fatalf("applied %v, want one batch with the clusters of both and the pass-through", got)
		}
		<-r.Ready()
		if r.synced != 1 {
			t.Errorf("synced %d times, want once", r.synced)
		}
	})
}

func TestWithoutSourcesItIsReadyAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		<-start(t).Ready()
	})
}

func TestFirstChangeGoesAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := start(t)
		r.taken()
		before := time.Now()
		r.Offer(serviceInput("one"))
		if got := r.taken(); len(got) != 1 {
			t.Fatalf("applied %v, want the service", got)
		}
		if waited := time.Since(before); waited != 0 {
			t.Errorf("it waited %v", waited)
		}
	})
}

func TestLaterChangesMerge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := start(t)
		r.taken()
		r.hold = make(chan struct{})
		r.Offer(serviceInput("one"))
		synctest.Wait()
		r.Offer(serviceInput("two"))
		r.Offer(serviceInput("three"))
		gone := serviceInput("two")
		gone.Update.Services[serviceID("two")] = nil
		r.Offer(gone)
		if got := r.taken(); len(got) != 1 {
			t.Fatalf("applied %v while the first was under way", got)
		}
		close(r.hold)
		got := r.taken()
		if len(got) != 1 {
			t.Fatalf("applied %v, want one batch", got)
		}
		if changed := clusters(got[0]); len(changed) != 1 || changed[0] != "outbound|80||three.shop" {
			t.Errorf("changed %v, want the cluster of three only", changed)
		}
	})
}

func TestWhatGoesGoesFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := start(t)
		r.Offer(serviceInput("one"))
		r.Offer(shardInput("one", "10.1.0.1:80", "10.1.0.2:80"))
		r.taken()
		r.hold = make(chan struct{})
		r.Offer(serviceInput("busy"))
		synctest.Wait()
		r.Offer(serviceInput("two"))
		r.Offer(shardInput("one", "10.1.0.2:80"))
		close(r.hold)
		got := r.taken()
		if len(got) != 3 {
			t.Fatalf("applied %v, want three batches", got)
		}
		if len(got[1].Resources) != 1 || got[1].Resources[0].Ref.Type != cache.Endpoints {
			t.Errorf("first went %v, want the endpoint that has gone", got[1].Resources)
		}
		if changed := clusters(got[2]); len(changed) != 1 {
			t.Errorf("then went %v, want the new service", got[2].Resources)
		}
	})
}

func TestRetirementsComeBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := start(t)
		r.Offer(serviceInput("one"))
		r.Offer(shardInput("one", "10.1.0.1:80"))
		r.taken()
		r.Offer(shardInput("one"))
		if got := r.taken(); len(got) != 1 || len(clusters(got[0])) != 0 {
			t.Fatalf("applied %v, want the assignment and no cluster", got)
		}
		pass(retireDelay - time.Second)
		if got := r.taken(); len(got) != 0 {
			t.Fatalf("applied %v before the delay was over", got)
		}
		pass(time.Second)
		if got := r.taken(); len(got) != 1 || len(clusters(got[0])) != 1 {
			t.Errorf("applied %v, want the cluster", got)
		}
		pass(time.Hour)
		if got := r.taken(); len(got) != 0 {
			t.Errorf("applied %v when nothing was left", got)
		}
	})
}

func TestPropagation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := start(t)
		r.Offer(workloadInput("proxy"))
		r.Offer(serviceInput("one"))
		r.Offer(shardInput("one", "10.1.0.1:80", "10.1.0.2:80"))
		r.taken()
		sub, err := r.store.Subscribe("shop/proxy", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer sub.Close()

		// Two publications, of three changes; nothing is said before the stream has both.
		r.hold = make(chan struct{})
		r.Offer(at(serviceInput("one")))
		synctest.Wait()
		read := time.Now()
		r.Offer(at(serviceInput("two")))
		r.Offer(at(shardInput("one", "10.1.0.2:80")))
		close(r.hold)
		r.taken()
		pass(10 * time.Millisecond)
		sub.Send(r.store.Rev() - 1)
		if len(r.sent) != 0 {
			t.Fatalf("sent %v, and the second half is not", r.sent)
		}
		sub.Send(r.store.Rev())
		if want := time.Since(read); len(r.sent) != 2 || r.sent[0] != want || r.sent[1] != want {
			t.Errorf("sent %v, want twice %v", r.sent, want)
		}
		pass(20 * time.Millisecond)
		sub.Settle(r.store.Rev() - 1)
		synctest.Wait()
		if len(r.propagated) != 0 {
			t.Fatalf("propagated %v, and the second half is not acknowledged", r.propagated)
		}
		pass(20 * time.Millisecond)
		sub.Settle(r.store.Rev())
		synctest.Wait()
		want := time.Since(read)
		if len(r.propagated) != 2 || r.propagated[0] != want || r.propagated[1] != want {
			t.Errorf("propagated %v, want twice %v", r.propagated, want)
		}
	})
}

func TestNobodyConcerned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := start(t)
		r.Offer(at(serviceInput("one")))
		r.taken()
		if len(r.propagated) != 0 {
			t.Errorf("propagated %v to nobody", r.propagated)
		}
	})
}

func TestTroublePassesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := start(t, fileSource)
		for _, err := range []error{errors.New("unreachable"), errors.New("unreachable"), nil, nil} {
			r.Offer(feed.Input{Update: discovery.Update{Source: fileSource, Trouble: err}})
			synctest.Wait()
		}
		if len(r.troubles) != 2 || r.troubles[0] != "file/local: unreachable" || r.troubles[1] != "file/local: over" {
			t.Errorf("told %q, want the trouble and its end", r.troubles)
		}
		if got := r.taken(); len(got) != 0 {
			t.Errorf("applied %v", got)
		}
	})
}

func TestManyProducers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := start(t)
		var producers sync.WaitGroup
		for _, name := range []string{"a", "b", "c", "d"} {
			producers.Go(func() {
				for range 100 {
					r.Offer(serviceInput(name))
					r.Offer(shardInput(name, "10.1.0.1:80"))
				}
			})
		}
		producers.Wait()
		published := map[string]bool{}
		for _, c := range r.taken() {
			for _, name := range clusters(c) {
				published[name] = true
			}
		}
		if len(published) != 5 {
			t.Errorf("published %v, want four services and the pass-through", published)
		}
	})
}

func TestWhatIsMissing(t *testing.T) {
	t.Parallel()
	if _, err := feed.New(feed.Config{}); err == nil {
		t.Error("a Feed without a Builder was made")
	}
}
