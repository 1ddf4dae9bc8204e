package feed_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/xds/cache"
	"outrigger.dev/outrigger/xds/feed"
)

func (r *rig) note(revision string, publication cache.Rev) {
	r.mu.Lock()
	defer r.mu.Unlock()
	// What is told is visible already.
	r.revised = append(r.revised, fmt.Sprintf("%s at %d of %d", revision, publication, r.store.Rev()))
}

func revision(in feed.Input, id string) feed.Input {
	in.Revision = id
	return in
}

// TestRevised: a revision is told with the publication that shows all of it, also where nothing is to be published for it.
func TestRevised(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := start(t, fileSource)
		r.Offer(revision(serviceInput("a"), "r1"))
		synctest.Wait()
		if len(r.revised) != 0 {
			t.Errorf("told %q before its source is synced", r.revised)
		}
		r.Offer(revision(feed.Input{Update: discovery.Update{Source: fileSource, Synced: true}}, "r2"))
		synctest.Wait()
		r.Offer(revision(serviceInput("a"), "r3")) // As it was.
		synctest.Wait()
		r.Offer(revision(shardInput("a", "10.1.0.1:80", "10.1.0.2:80"), "r4"))
		synctest.Wait()
		r.Offer(serviceInput("b"))
		synctest.Wait()
		// The loss of the endpoint goes first, in a publication of its own.
		r.Offer(revision(shardInput("a", "10.1.0.1:80"), "r5"))
		r.Offer(revision(serviceInput("c"), "r6"))
		synctest.Wait()
		want := []string{"r2 at 1 of 1", "r3 at 1 of 1", "r4 at 2 of 2", "r6 at 5 of 5"}
		if !slices.Equal(r.revised, want) {
			t.Errorf("told %q, want %q", r.revised, want)
		}
	})
}

// TestRevisionWithoutAChange: a revision may be all that is new.
func TestRevisionWithoutAChange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := start(t)
		r.Offer(serviceInput("a"))
		synctest.Wait()
		before := len(r.taken())
		r.Offer(feed.Input{Update: discovery.Update{Source: fileSource}, Revision: "r1"})
		synctest.Wait()
		if len(r.revised) != 1 || before == 0 || len(r.taken()) != 0 {
			t.Errorf("told %q", r.revised)
		}
	})
}
