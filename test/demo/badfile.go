package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// badFile overwrites cart.yaml with a mistake, shows who tells of it, and checks
// that the cart is reached as before.
func (d *demo) badFile(ctx context.Context) (string, error) {
	told := len(d.mesh.ServerLogs())
	if err := d.write("cart.yaml", "steps/cart-broken.yaml"); err != nil {
		return "", err
	}
	var line string
	err := until(ctx, "the log tells of cart.yaml", func() error {
		line = find(d.mesh.ServerLogs()[told:], "cart.yaml", "99999")
		if line == "" {
			return errors.New("it does not yet")
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	d.out.note("log:       %s", line)
	metric, err := d.badFileMetric(ctx)
	if err != nil {
		return "", err
	}
	d.out.note("metric:    %s", metric)
	out, err := d.mesh.Outrigger(ctx, "validate", d.mesh.ConfigDir())
	if err == nil {
		return "", fmt.Errorf("outrigger validate accepts the folder: %s", out)
	}
	said := find(out+err.Error(), "cart.yaml", "99999")
	if said == "" {
		return "", fmt.Errorf("outrigger validate does not tell of cart.yaml: %s: %w", out, err)
	}
	d.out.note("validate:  %s", strings.TrimSpace(said))
	a, err := ask(ctx, frontPage+"cart")
	if err != nil {
		return "", fmt.Errorf("the cart is not reached any more: %w", err)
	}
	d.out.note("a call:    %s answered", a.Calls[0].Instance)
	return "log, metric and validate tell of it; calls go on", d.write("cart.yaml", "mesh/cart.yaml")
}

// badFileMetric returns the series that tells of cart.yaml.
func (d *demo) badFileMetric(ctx context.Context) (string, error) {
	metrics, err := d.mesh.Metrics(ctx)
	if err != nil {
		return "", err
	}
	for series, value := range metrics {
		if strings.Contains(series, "cart.yaml") && value > 0 {
			return fmt.Sprintf("%s %g", series, value), nil
		}
	}
	return "", errors.New("no metric tells of cart.yaml")
}

// find returns the first line that holds all words, or nothing.
func find(text string, words ...string) string {
	for line := range strings.Lines(text) {
		all := true
		for _, word := range words {
			all = all && strings.Contains(line, word)
		}
		if all {
			return strings.TrimSpace(line)
		}
	}
	return ""
}
