package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"outrigger.dev/outrigger/test/process"
)

const (
	// startLimit is how long a registry may take until it is ready.
	startLimit = time.Minute
	pollEvery  = 20 * time.Millisecond
)

var errEnded = errors.New("the process ended")

// await waits until check returns nil, for startLimit at most, and looks often.
// It gives up when the process that is to make it true ends; nil stands for no such process.
func await(ctx context.Context, what string, by *process.Process, check func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	var ended <-chan struct{}
	if by != nil {
		ended = by.Exited()
	}
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	var last error // of a check that had its time
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		if last == nil || ctx.Err() == nil {
			last = err
		}
		select {
		case <-tick.C:
		case <-ended:
			return fmt.Errorf("waiting until %s: %w: %w", what, errEnded, by.Err())
		case <-ctx.Done():
			return fmt.Errorf("waiting until %s: %w: %w", what, context.Cause(ctx), last)
		}
	}
}
