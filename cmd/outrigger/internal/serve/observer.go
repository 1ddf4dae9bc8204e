package serve

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"outrigger.dev/outrigger/cmd/outrigger/internal/metrics"
	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/xds/build"
	"outrigger.dev/outrigger/xds/feed"
)

// feedObserver tells the metrics, the board of problems, readiness and the log.
type feedObserver struct {
	*metrics.Feed
	problems *board
	ready    *readiness
	// looked is closed after the first batch.
	looked chan struct{}
	once   sync.Once
	logger *slog.Logger
	// synced belongs to the feed's goroutine.
	synced bool
}

var _ feed.Observer = (*feedObserver)(nil)

// Synced says that every source has told its whole state.
func (o *feedObserver) Synced() {
	o.synced = true
	o.logger.Info("every source is read")
}

// Trouble says why the server is not ready yet. Once it is, the last good state goes on being served. The source logs it.
func (o *feedObserver) Trouble(source discovery.SourceID, err error) {
	if !o.synced && err != nil {
		o.ready.waitSource(source.String(), err.Error())
	}
}

// Applied notes and logs what is wrong with objects among each other. The first batch makes the server ready.
func (o *feedObserver) Applied(changes build.Changes, took time.Duration) {
	o.Feed.Applied(changes, took)
	logProblems(context.Background(), o.logger, o.problems.set(finderModel, changes.Problems))
	o.ready.sourcesDone()
	o.once.Do(func() { close(o.looked) })
}
