package server

import (
	"context"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

const (
	// openingWait is how long a stream waits for its first exchange to begin.
	openingWait = 15 * time.Second
	// openingHold is how long a slow first exchange keeps others waiting.
	openingHold = 5 * time.Second
	// retryDelay is what a client that is refused is told to wait.
	retryDelay = 5 * time.Second
)

// gate bounds how many streams are in their first exchange, the costly one, at
// once: when all proxies come back together, some are served well instead of all badly.
type gate struct{ slots chan struct{} }

func newGate(limits Limits) *gate { return &gate{slots: make(chan struct{}, limits.Opening)} }

// enter waits for a slot; leave must be called once for each that was entered. The error says how the stream ends.
func (g *gate) enter(ctx context.Context, draining <-chan struct{}) error {
	select {
	case g.slots <- struct{}{}:
		return nil
	default:
	}
	timer := time.NewTimer(openingWait)
	defer timer.Stop()
	select {
	case g.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-draining:
		return closed(ReasonDrained, errDraining)
	case <-timer.C:
		return closed(ReasonBusy, retryLater("too many streams are starting"))
	}
}

func (g *gate) leave() { <-g.slots }

// retryLater refuses with a hint when to come again.
func retryLater(reason string) error {
	st := status.New(codes.Unavailable, reason)
	if detailed, err := st.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(retryDelay)}); err == nil {
		st = detailed
	}
	return st.Err()
}
