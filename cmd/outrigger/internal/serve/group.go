package serve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"outrigger.dev/outrigger/xds/transport"
)

// group runs the parts of the server. They outlive the context of the command, until it is drained.
type group struct {
	parts *errgroup.Group
	ctx   context.Context //nolint:containedctx // it is the life of the group itself
	stop  context.CancelFunc
}

func newGroup(ctx context.Context) *group {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	parts, ctx := errgroup.WithContext(ctx)
	return &group{parts: parts, ctx: ctx, stop: stop}
}

// start runs one part until it ends or the group does. A part that fails ends the group.
func (g *group) start(name string, run func(context.Context) error) {
	g.parts.Go(func() error {
		err := run(g.ctx)
		stopped := errors.Is(err, context.Canceled) && g.ctx.Err() != nil
		if err != nil && !stopped {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	})
}

// wait returns when all parts have ended: because ctx did, after drain, or because one of them failed.
func (g *group) wait(ctx context.Context, drain func(context.Context)) error {
	defer g.stop()
	select {
	case <-ctx.Done():
		drain(context.WithoutCancel(ctx))
	case <-g.ctx.Done():
	}
	g.stop()
	return g.parts.Wait()
}

// serveGRPC serves until ctx ends, and closes the listener.
func serveGRPC(ctx context.Context, server *grpc.Server, listener net.Listener) error {
	defer server.Stop() // Waits for the handlers, also when Serve failed.
	stop := context.AfterFunc(ctx, server.Stop)
	defer stop()
	if err := server.Serve(listener); ctx.Err() == nil || !errors.Is(err, grpc.ErrServerStopped) {
		return err
	}
	return nil
}

// serveXDS serves until ctx ends, and closes the listener.
func serveXDS(ctx context.Context, server *transport.Server, listener net.Listener) error {
	cut, cancel := context.WithCancel(ctx)
	cancel()
	defer func() { _ = server.Stop(cut) }() // Waits for the calls, also when Serve failed.
	stop := context.AfterFunc(ctx, func() { _ = server.Stop(cut) })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, transport.ErrServerStopped) {
		return err
	}
	return nil
}

// flushGrace is how long clients may take to read how their streams ended.
const flushGrace = 2 * time.Second

// stopGracefully ends a server without streams once the clients have read what it said last.
func stopGracefully(ctx context.Context, server *transport.Server) {
	ctx, cancel := context.WithTimeout(ctx, flushGrace)
	defer cancel()
	_ = server.Stop(ctx) // What hangs is cut.
}
