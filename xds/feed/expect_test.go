package feed_test

import (
	"testing"
	"testing/synctest"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/xds/feed"
)

// TestExpectedLater: a source that is known only by what another one says holds up the first publication, until it has
// synced or is taken away again, and none after that.
func TestExpectedLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := start(t, fileSource)
		for _, name := range []string{"a", "b"} {
			r.Expect(discovery.SourceID{Kind: "consul", Name: name})
		}
		r.Offer(feed.Input{Update: discovery.Update{Source: fileSource, Synced: true}})
		r.Offer(feed.Input{Update: discovery.Update{Source: discovery.SourceID{Kind: "consul", Name: "a"}, Synced: true}})
		if got := r.taken(); len(got) != 0 {
			t.Fatalf("applied %v before the last one was synced", got)
		}
		r.Unexpect(discovery.SourceID{Kind: "consul", Name: "b"})
		if got := r.taken(); len(got) != 1 {
			t.Fatalf("applied %v, want the first state", got)
		}
		r.Expect(discovery.SourceID{Kind: "consul", Name: "c"})
		r.Offer(serviceInput("one"))
		if got := r.taken(); len(got) != 1 {
			t.Errorf("applied %v, want the service", got)
		}
	})
}
