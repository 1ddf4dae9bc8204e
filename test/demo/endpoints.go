package main

import (
	"context"
	"fmt"
	"time"

	"outrigger.dev/outrigger/test/load"
)

// add starts a third cart that no service selects, then writes the file that
// makes it a cart, and measures how long its first request takes to come.
func (d *demo) add(ctx context.Context) (string, error) {
	if err := d.write("cart-3.yaml", "steps/cart-3-standby.yaml"); err != nil {
		return "", err
	}
	if err := d.startAll(ctx, cart3); err != nil {
		return "", err
	}
	d.out.note("cart-3 and its sidecar are up; no service selects it yet")
	t := newTally()
	l := load.Start(ctx, load.Config{URL: frontPage + "cart", Observe: t.observe})
	defer l.Stop()
	if err := t.wait(ctx, "100 requests have been answered", func() bool { return t.total() >= 100 }); err != nil {
		return "", err
	}
	if n := t.of(cart3.name); n != 0 {
		return "", fmt.Errorf("cart-3 answered %d requests before it was a cart", n)
	}
	wrote := time.Now()
	if err := d.write("cart-3.yaml", "steps/cart-3.yaml"); err != nil {
		return "", err
	}
	if err := t.wait(ctx, "cart-3 has answered 50 requests", func() bool { return t.of(cart3.name) >= 50 }); err != nil {
		return "", err
	}
	took := t.visits(cart3.name).first.Sub(wrote)
	report := l.Stop()
	d.out.note("cart-3.yaml written; %.1f ms later it had answered its first request", milliseconds(took))
	d.out.note("%s", report)
	return fmt.Sprintf("first request answered after %.1f ms; %s", milliseconds(took), counts(report)), report.Err()
}

// remove deletes a cart's file under load, and stops the cart when nothing comes to it any more.
func (d *demo) remove(ctx context.Context) (string, error) {
	t := newTally()
	l := load.Start(ctx, load.Config{URL: frontPage + "cart", Observe: t.observe})
	defer l.Stop()
	if err := t.wait(ctx, "cart-2 has answered 50 requests", func() bool { return t.of(cart2.name) >= 50 }); err != nil {
		return "", err
	}
	removed := time.Now()
	if err := d.mesh.Remove("cart-2.yaml"); err != nil {
		return "", err
	}
	quiet := func() bool { return time.Since(later(t.visits(cart2.name).last, removed)) > 500*time.Millisecond }
	if err := t.wait(ctx, "cart-2 has had no request for half a second", quiet); err != nil {
		return "", err
	}
	last := later(t.visits(cart2.name).last, removed).Sub(removed)
	d.out.note("cart-2.yaml deleted; its last request ended %.1f ms later", milliseconds(last))
	if err := d.stop(cart2); err != nil {
		return "", err
	}
	d.out.note("cart-2 and its sidecar are stopped")
	before := t.total()
	if err := t.wait(ctx, "200 more requests have been answered", func() bool { return t.total() >= before+200 }); err != nil {
		return "", err
	}
	report := l.Stop()
	d.out.note("%s", report)
	return fmt.Sprintf("last request ended after %.1f ms; %s", milliseconds(last), counts(report)), report.Err()
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// counts tells a report in the words of the table.
func counts(r load.Report) string {
	return fmt.Sprintf("%d of %d requests failed", len(r.Failed()), len(r.Requests))
}
