package feed

import (
	"time"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/xds/build"
)

// Observer is told what happens, for logs, metrics and statuses. All but Sent and Propagated
// come from the goroutine of Run. None may block.
type Observer interface {
	// Synced says that every configured source has said all it has.
	Synced()
	// Trouble says that what is missing from a source is not to be believed (err), or that it is again (nil).
	Trouble(source discovery.SourceID, err error)
	// Applied says what followed from a batch, and how long it took to apply and publish.
	Applied(changes build.Changes, took time.Duration)
	// Sent says that the last stream that a change concerns was sent it, and how long ago its source had read it. It
	// may come from any goroutine.
	Sent(since time.Duration)
	// Propagated says that the last stream that a change concerns has it acknowledged, and how
	// long ago its source had read it. It may come from any goroutine.
	Propagated(since time.Duration)
}
