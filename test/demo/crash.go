package main

import (
	"context"
	"fmt"
	"time"

	"outrigger.dev/outrigger/test/load"
	"outrigger.dev/outrigger/test/relay"
)

// mostBytes is the most that a proxy may be sent when it connects again and
// nothing has changed: a TLS handshake and HTTP/2's own frames, but no resource.
const mostBytes = 4 << 10

// connected are the sidecars of this part of the story.
var connected = []string{"shop/frontend", "shop/cart-1", "shop/cart-3", "shop/catalog"}

// crash kills the control plane under load, starts it again, and counts what it
// sends to the proxies that come back.
func (d *demo) crash(ctx context.Context) (string, error) {
	t := newTally()
	l := load.Start(ctx, load.Config{URL: frontPage, Observe: t.observe})
	defer l.Stop()
	before, err := d.quiet(ctx)
	if err != nil {
		return "", err
	}
	applied, err := d.applied(ctx)
	if err != nil {
		return "", err
	}
	d.mesh.KillServer()
	d.out.note("killed; the sidecars go on with what they have")
	seen := t.total()
	if err := t.wait(ctx, "200 requests have been answered without it", func() bool { return t.total() >= seen+200 }); err != nil {
		return "", err
	}
	if err := d.mesh.StartServer(ctx); err != nil {
		return "", err
	}
	d.out.note("started again: process %d", d.mesh.ServerPID())
	if err := d.synced(ctx); err != nil {
		return "", err
	}
	after, err := d.quiet(ctx)
	if err != nil {
		return "", err
	}
	report := l.Stop()
	first, again := perProxy(d.first.Down), perProxy(after.Minus(before).Down)
	d.out.note("sent to each proxy: %d bytes when it connected first, %d when it came back", first, again)
	d.out.note("%s", report)
	if again > mostBytes {
		return "", fmt.Errorf("%d bytes were sent to each proxy that came back, want at most %d: resources were sent again", again, mostBytes)
	}
	if sent, err := d.mesh.Metrics(ctx); err != nil || sent.Sum("outrigger_xds_resources_sent_total") != 0 {
		return "", fmt.Errorf("the new control plane sent resources: %v (error %v)", sent, err) //nolint:errorlint // nil is one of the two ways to fail
	}
	if now, err := d.applied(ctx); err != nil || now != applied {
		return "", fmt.Errorf("the proxies had applied %d updates before and %d after, want the same (error %v)", applied, now, err) //nolint:errorlint // nil is one of the two ways to fail
	}
	return fmt.Sprintf("%d bytes per proxy instead of %d; %s", again, first, counts(report)), report.Err()
}

func perProxy(n int64) int64 { return n / int64(len(connected)) }

// applied is how many updates of clusters, endpoints, listeners, routes and
// secrets the proxies have taken.
func (d *demo) applied(ctx context.Context) (int64, error) {
	var sum int64
	for _, i := range []instance{frontend, cart1, cart3, catalog} {
		stats, err := d.sidecars[i.name].Stats(ctx, `\.update_success$`)
		if err != nil {
			return 0, err
		}
		for _, n := range stats {
			sum += n
		}
	}
	return sum, nil
}

// synced waits until every proxy has everything.
func (d *demo) synced(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*waitLimit)
	defer cancel()
	return d.mesh.WaitSynced(ctx, connected...)
}

// quiet waits until nothing has been sent to proxies for half a second.
func (w *world) quiet(ctx context.Context) (relay.Count, error) {
	last, since := w.relay.Count(), time.Now()
	err := until(ctx, "nothing is sent to proxies", func() error {
		if now := w.relay.Count(); now != last {
			last, since = now, time.Now()
		}
		if calm := time.Since(since); calm < 500*time.Millisecond {
			return fmt.Errorf("the last bytes went %s ago", calm)
		}
		return nil
	})
	return last, err
}
