package serve

import (
	"context"
	"log/slog"
	"time"

	"outrigger.dev/outrigger/discovery/file"
	"outrigger.dev/outrigger/policy/compile"
	"outrigger.dev/outrigger/xds/feed"
)

// input takes what the source reads to all who need it: members first, so that nobody is let in as
// somebody else, then compiled rules and model together to the feed.
type input struct {
	updates  chan file.Update
	compiler *compile.Compiler
	members  *members
	problems *board
	state    *sourceState
	feed     *feed.Feed
	logger   *slog.Logger
}

// run goes on until ctx ends.
func (i *input) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case update := <-i.updates:
			i.take(ctx, update)
		}
	}
}

func (i *input) take(ctx context.Context, update file.Update) {
	i.state.told(update.Update, time.Now())
	i.members.apply(update.Update)
	rules, wrong := i.compiler.Apply(compile.Objects(update.Policies))
	i.problems.setFiles(update)
	logProblems(ctx, i.logger, i.problems.setRules(wrong))
	i.feed.Offer(feed.Input{Update: update.Update, Rules: rules, Revision: update.Revision, ReadAt: update.ReadAt})
}
