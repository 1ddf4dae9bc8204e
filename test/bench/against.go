package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"
)

// blockOf is how many changes one build makes before it is the other's turn.
const blockOf = 10

// side is one of two builds that are compared.
type side struct {
	path   string
	target *target
	result result
	before map[string]histogram
	cpu    time.Duration // of all its changes
	blocks int
}

// measureAgainst has two builds of our server hold all clients each, and measures endpoint changes by turns: what the
// machine does meanwhile concerns both.
func measureAgainst(ctx context.Context, o options, dir string) (err error) {
	sides := []*side{{path: o.against}, {path: o.outrigger}}
	for i, s := range sides {
		o.outrigger = s.path
		if s.target, err = open(ctx, o, fmt.Sprintf("%s/%d", dir, i), starter{name: "outrigger", run: startOutrigger}); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.target.process.stop(ctx)) }()
		fmt.Fprintf(os.Stderr, "%s: first connections\n", s.path)
		if err := s.target.first(ctx, &s.result); err != nil {
			return err
		}
	}
	for _, s := range sides {
		if err := s.rest(ctx); err != nil {
			return err
		}
	}
	for turn := range 2 * max(1, o.changes/blockOf) {
		if err := sides[(turn+turn/2)%2].block(ctx); err != nil { // Neither is always the first.
			return err
		}
	}
	return reportAgainst(ctx, os.Stdout, sides)
}

func (s *side) rest(ctx context.Context) (err error) {
	if err := s.target.rest(ctx, &s.result); err != nil {
		return err
	}
	s.before, err = s.target.own(ctx)
	return err
}

// block makes some changes, and waits until nothing goes on any more.
func (s *side) block(ctx context.Context) error {
	cpu, err := s.target.busy(&s.result, func() error {
		for range blockOf {
			if _, err := s.target.change(ctx); err != nil {
				return err
			}
		}
		return s.target.fleet.settle(ctx)
	})
	s.cpu += cpu
	s.blocks++
	return err
}

// perChange is what a change costs a stream that sees it.
func (s *side) perChange() time.Duration {
	seenBy := s.target.mesh.seenBy(0, len(s.target.fleet.clients))
	return s.cpu / time.Duration(s.blocks*blockOf*seenBy)
}

// reportAgainst prints what both took.
func reportAgainst(ctx context.Context, to io.Writer, sides []*side) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "by turns\tchange: CPU per stream\tof the first\tto last send, p50, p99\tto last ACK, p50, p99")
	for _, s := range sides {
		now, err := s.target.own(ctx)
		if err != nil {
			return err
		}
		sent, acked := now[metricToSend].since(s.before[metricToSend]), now[metricToACK].since(s.before[metricToACK])
		_, _ = fmt.Fprintf(w, "%s\t%s\t%.3f\t%s, %s\t%s, %s\n", s.path, micros(s.perChange()), float64(s.cpu)/float64(sides[0].cpu),
			millis(sent.percentile(50)), millis(sent.percentile(99)), millis(acked.percentile(50)), millis(acked.percentile(99)))
		s.target.fleet.disconnect()
	}
	return w.Flush()
}
