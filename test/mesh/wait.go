package mesh

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// startLimit is how long a program may take until it is ready.
	startLimit = 20 * time.Second
	// pollEvery is how often Eventually looks.
	pollEvery = 10 * time.Millisecond
)

// errGone says that what is waited for cannot come any more.
var errGone = errors.New("cannot happen any more")

// Eventually waits until check returns nil, and looks every 10 ms. When ctx
// ends first, or what is waited for cannot come any more, the error says what
// was waited for, and the last that check said.
func Eventually(ctx context.Context, what string, check func(context.Context) error) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		if errors.Is(err, errGone) {
			return fmt.Errorf("waiting until %s: %w", what, err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("waiting until %s: %w: %w", what, context.Cause(ctx), err)
		}
	}
}
