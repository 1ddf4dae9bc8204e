package serve

import (
	"context"
	"log/slog"
	"time"

	"outrigger.dev/outrigger/discovery"
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
	i.problems.setFiles(update.Problems)
	i.problems.setRules(wrong)
	i.log(ctx, wrong)
	i.feed.Offer(feed.Input{Update: update.Update, Rules: rules, ReadAt: update.ReadAt})
}

// log tells what is wrong with policies among each other; the source tells what is wrong with files.
func (i *input) log(ctx context.Context, changed map[discovery.ObjectID][]discovery.Problem) {
	for _, list := range changed {
		for _, p := range list {
			logProblem(ctx, i.logger, p)
		}
	}
}

func logProblem(ctx context.Context, logger *slog.Logger, p discovery.Problem) {
	level := slog.LevelError
	if p.Warning {
		level = slog.LevelWarn
	}
	logger.Log(ctx, level, "the configuration has a problem", "location", p.Location, "object", p.Object.String(),
		"field", p.Field, "reason", p.Reason, "detail", p.Message)
}
