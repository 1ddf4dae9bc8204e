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

// tail is how long the acknowledgements of the last change may take to be taken in.
const tail = 50 * time.Millisecond

// returnsOf is how often all clients of each build come back.
const returnsOf = 6

// side is one of two builds that are compared.
type side struct {
	path   string
	target *target
	result result
	before map[string]histogram
	sent   histogram // its own, of all its changes
	acked  histogram
	cpu    time.Duration // of all its changes
	blocks int
	back   time.Duration // CPU per stream, of all returns
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
	if err := byTurns(ctx, sides, max(1, o.changes/blockOf), (*side).block); err != nil {
		return err
	}
	for _, s := range sides {
		if err := s.told(ctx); err != nil {
			return err
		}
	}
	if err := byTurns(ctx, sides, returnsOf, (*side).comeBack); err != nil {
		return err
	}
	return reportAgainst(os.Stdout, sides)
}

// byTurns has each of two sides do something so many times.
func byTurns(ctx context.Context, sides []*side, times int, do func(*side, context.Context) error) error {
	for turn := range 2 * times {
		if err := do(sides[(turn+turn/2)%2], ctx); err != nil { // Neither is always the first.
			return err
		}
	}
	return nil
}

func (s *side) rest(ctx context.Context) (err error) {
	if err := s.target.rest(ctx, &s.result); err != nil {
		return err
	}
	s.before, err = s.target.own(ctx)
	return err
}

// block makes some changes, and waits until nothing goes on any more. Most of the wait is not measured: what a server does in a
// second of it, or does not, is more than ten changes take that few streams see.
func (s *side) block(ctx context.Context) error {
	cpu, err := s.target.busy(&s.result, func() error {
		for range blockOf {
			if _, err := s.target.change(ctx); err != nil {
				return err
			}
		}
		pause(ctx, tail)
		return ctx.Err()
	})
	s.cpu += cpu
	s.blocks++
	return errors.Join(err, s.target.fleet.settle(ctx))
}

// told reads the times that the server itself has of its changes.
func (s *side) told(ctx context.Context) error {
	now, err := s.target.own(ctx)
	if err != nil {
		return err
	}
	s.sent, s.acked = now[metricToSend].since(s.before[metricToSend]), now[metricToACK].since(s.before[metricToACK])
	return nil
}

// comeBack has all clients connect anew.
func (s *side) comeBack(ctx context.Context) error {
	err := s.target.reconnect(ctx, &s.result)
	s.back += s.result.reconnect.cpu
	return err
}

// perChange is what a change costs a stream that sees it.
func (s *side) perChange() time.Duration {
	seenBy := s.target.mesh.seenBy(0, len(s.target.fleet.clients))
	return s.cpu / time.Duration(s.blocks*blockOf*seenBy)
}

// reportAgainst prints what both took.
func reportAgainst(to io.Writer, sides []*side) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "by turns\tchange: CPU per stream\tof the first\tto last send, p50, p99\tto last ACK, p50, p99\treconnect: CPU per stream\tof the first")
	for _, s := range sides {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%.3f\t%s, %s\t%s, %s\t%s\t%.3f\n", s.path, micros(s.perChange()), float64(s.cpu)/float64(sides[0].cpu),
			millis(s.sent.percentile(50)), millis(s.sent.percentile(99)), millis(s.acked.percentile(50)), millis(s.acked.percentile(99)),
			micros(s.back/returnsOf), float64(s.back)/float64(sides[0].back))
		s.target.fleet.disconnect()
	}
	return w.Flush()
}
