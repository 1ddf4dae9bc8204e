package main

import (
	"context"
	"math/rand/v2"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"outrigger.dev/outrigger/test/bench/adsclient"
)

// keep runs a client until ctx ends. One that lost its stream, or was told to come later, comes back as Envoy does.
func (f *fleet) keep(ctx context.Context, c *adsclient.Client) {
	for {
		err := c.Run(ctx)
		if ctx.Err() != nil {
			return
		}
		delay, comes := comeback(err)
		if !comes {
			f.errs <- err
			return
		}
		timer := time.NewTimer(delay)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// comeback returns after which time a client comes back, if the error is one after which it does: when the server
// says, else after half a second to one. A server ends by DeadlineExceeded whom it does not hear in time, as where 10,000
// clients share two processors with it.
func comeback(err error) (time.Duration, bool) {
	st, ok := status.FromError(err)
	if !ok || st.Code() != codes.Unavailable && st.Code() != codes.DeadlineExceeded {
		return 0, false
	}
	for _, detail := range st.Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			return info.GetRetryDelay().AsDuration(), true
		}
	}
	return 500*time.Millisecond + rand.N(500*time.Millisecond), true
}
