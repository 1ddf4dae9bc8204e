package serve

import (
	"context"
	"log/slog"

	"outrigger.dev/outrigger/discovery"
)

// maxLines is how many problems one batch writes into the log; the metric and the debug view have all.
const maxLines = 20

// logProblems tells what is wrong with objects among each other; the source tells what is wrong with files.
func logProblems(ctx context.Context, logger *slog.Logger, list []discovery.Problem) {
	for i, p := range list {
		if i == maxLines {
			logger.WarnContext(ctx, "the configuration has more problems", "problems", len(list))
			return
		}
		level := slog.LevelError
		if p.Warning {
			level = slog.LevelWarn
		}
		logger.Log(ctx, level, "the configuration has a problem", "location", p.Location, "object", p.Object.String(),
			"field", p.Field, "reason", p.Reason, "detail", p.Message)
	}
}
