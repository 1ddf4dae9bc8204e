package server

import (
	"context"
	"math/rand/v2"
	"time"

	"golang.org/x/time/rate"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"outrigger.dev/outrigger/xds/cache"
)

const (
	// openingWait is how long a stream waits for its first exchange to begin.
	openingWait = 30 * time.Second
	// openingHold is how long a slow first exchange keeps others waiting.
	openingHold = 5 * time.Second
	// retryDelay is the least that a client which is refused is told to wait; at most as much again is added by chance.
	retryDelay = 5 * time.Second
)

// What a first exchange costs the processor: so much, and so much for each resource that is sent, or compared
// when the client says that it has it. The figures are those of docs/performance.md, rounded up.
const (
	openingCost  = 500 * time.Microsecond
	sendingCost  = 800 * time.Nanosecond
	matchingCost = 150 * time.Nanosecond
)

// gate lets first exchanges begin, the costly part of a stream: so many at once, and as much work a
// second as leaves the processor some time for the streams that are open. When all proxies come back together, some
// are served well instead of all badly.
type gate struct {
	slots chan struct{}
	// work is in microseconds of the processor.
	work *rate.Limiter
	// pressed reports that memory is short: then nothing begins, so that what is open stays.
	pressed func() bool
}

func newGate(c Config) *gate {
	share := float64(c.Limits.OpeningWork.Microseconds())
	return &gate{
		slots: make(chan struct{}, c.Limits.Opening), pressed: c.MemoryShort,
		work: rate.NewLimiter(rate.Limit(share), max(1, int(share/4))),
	}
}

// costOf estimates what the first exchange of a stream will take at least: with a client that has all.
func costOf(snapshot *cache.Snapshot) time.Duration {
	return openingCost + time.Duration(sizeOf(snapshot))*matchingCost
}

// costOfSending estimates what it takes besides with a client that has nothing.
func costOfSending(snapshot *cache.Snapshot) time.Duration {
	return time.Duration(sizeOf(snapshot)) * (sendingCost - matchingCost)
}

// sizeOf is how many resources there are.
func sizeOf(snapshot *cache.Snapshot) (n int) {
	for t := range cache.Type(cache.NumTypes) {
		n += snapshot.Len(t)
	}
	return n
}

// enter waits for its turn; leave must be called once for each that entered. The error says how the stream ends.
func (g *gate) enter(ctx context.Context, draining <-chan struct{}, cost time.Duration) error {
	if g.pressed() {
		return closed(ReasonMemory, retryLater("memory is short", 0))
	}
	now := time.Now()
	turn := g.work.ReserveN(now, min(int(cost.Microseconds()), g.work.Burst()))
	delay := turn.DelayFrom(now)
	if delay > openingWait {
		turn.CancelAt(now)
		return closed(ReasonBusy, retryLater("too many streams are starting", delay-openingWait))
	}
	if err := wait(ctx, draining, delay); err != nil {
		return err
	}
	return g.take(ctx, draining, openingWait-delay)
}

// wait lets a time pass.
func wait(ctx context.Context, draining <-chan struct{}, delay time.Duration) error {
	if delay <= 0 {
		return nil
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-draining:
		return closed(ReasonDrained, errDraining)
	}
}

// take waits for a slot.
func (g *gate) take(ctx context.Context, draining <-chan struct{}, patience time.Duration) error {
	select {
	case g.slots <- struct{}{}:
		return nil
	default:
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case g.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-draining:
		return closed(ReasonDrained, errDraining)
	case <-timer.C:
		return closed(ReasonBusy, retryLater("too many streams are starting", 0))
	}
}

func (g *gate) leave() { <-g.slots }

// charge has those who enter from now on wait for what one that has entered turned out to cost.
func (g *gate) charge(cost time.Duration) {
	g.work.ReserveN(time.Now(), min(int(cost.Microseconds()), g.work.Burst()))
}

// retryLater refuses with a hint when to come again, not before so long, and not all at once.
func retryLater(reason string, notBefore time.Duration) error {
	st := status.New(codes.Unavailable, reason)
	delay := notBefore + retryDelay + rand.N(retryDelay) //nolint:gosec // It spreads clients, nothing depends on it.
	if detailed, err := st.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(delay)}); err == nil {
		st = detailed
	}
	return st.Err()
}
