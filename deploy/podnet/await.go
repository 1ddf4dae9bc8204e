package podnet

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// readyLimit is how long the kernel may take to have a new cable carry packets. It takes some milliseconds.
	readyLimit = 5 * time.Second
	tryLimit   = 50 * time.Millisecond
	tryEvery   = time.Millisecond
	// closedPort is one on which nobody listens.
	closedPort = 1
)

// awaitLink waits until the pod reaches itself and the node by all addresses. The kernel sets up a link in the background: until it has, an
// address of the pod's own would be taken for one outside.
func (p *Pod) awaitLink(ctx context.Context, node *Pod) error {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	for _, to := range []netip.Addr{p.IPv4, p.IPv6, node.IPv4, node.IPv6} {
		if err := p.await(ctx, to); err != nil {
			return err
		}
	}
	return nil
}

// await waits until an address says that nobody listens there.
func (p *Pod) await(ctx context.Context, to netip.Addr) error {
	tick := time.NewTicker(tryEvery)
	defer tick.Stop()
	for {
		err := p.try(ctx, to)
		if errors.Is(err, unix.ECONNREFUSED) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s is not reached after %s: %w", to, readyLimit, err)
		}
	}
}

func (p *Pod) try(ctx context.Context, to netip.Addr) error {
	ctx, cancel := context.WithTimeout(ctx, tryLimit)
	defer cancel()
	conn, err := p.Dial(ctx, "tcp", netip.AddrPortFrom(to, closedPort).String())
	if err == nil {
		err = errors.Join(fmt.Errorf("somebody listens on port %d", closedPort), conn.Close())
	}
	return err
}
