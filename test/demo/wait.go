package main

import (
	"context"
	"time"

	"outrigger.dev/outrigger/test/mesh"
)

// waitLimit is how long a step waits for anything.
const waitLimit = 20 * time.Second

// until waits until check has no error, for waitLimit at most.
func until(ctx context.Context, what string, check func() error) error {
	ctx, cancel := context.WithTimeout(ctx, waitLimit)
	defer cancel()
	return mesh.Eventually(ctx, what, func(context.Context) error { return check() })
}
