package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"outrigger.dev/outrigger/test/rude"
)

// rudeResult is how well-behaved clients fare alone, and beside rude ones.
type rudeResult struct {
	quiet, beside service
	envoys        int      // how many were among the well-behaved
	kinds         []string // what became of each kind of rude clients
}

// service is what well-behaved clients get, and what that costs the server.
type service struct {
	p50, p99, worst time.Duration // of an endpoint change, from the write of the file to the client's acknowledgement
	// toACK is the server's own, to the last acknowledgement, which may be an Envoy's. It ends for no change of which a
	// client is told that reads nothing.
	toACK  histogram
	cores  float64 // of the server's CPU
	memory int64   // the most that was seen, anonymous
}

// changeEvery is the time between two endpoint changes beside rude clients.
const changeEvery = 100 * time.Millisecond

// measureRude gives the server well-behaved clients, Envoys among them, and then one rude client of every kind beside them.
// That a well-behaved one is closed, or a rude one ends as it must not, is an error.
func measureRude(ctx context.Context, o options, dir string) (*rudeResult, error) {
	all := o
	all.streams += len(rude.Kinds())
	m := all.mesh(dir + "/mesh")
	var err error
	if m.envoys, err = freeListens(ctx, o.envoys); err != nil {
		return nil, err
	}
	if err := m.write(); err != nil {
		return nil, err
	}
	t, err := startOutrigger(ctx, all, dir)
	if err != nil {
		return nil, err
	}
	t.name, t.mesh, t.options = "rude", m, o
	t.fleet.clients = t.fleet.clients[:o.streams]
	proxies, err := t.startEnvoys(ctx)
	r := &rudeResult{envoys: len(proxies)}
	if err == nil {
		err = t.besideRude(ctx, all.streams, r)
	}
	if err == nil {
		err = proxies.check(ctx)
	}
	if err := errors.Join(err, proxies.stop(), t.process.stop(ctx)); err != nil {
		return nil, fmt.Errorf("rude: %w; the server's log is %s", err, t.process.logs)
	}
	return r, nil
}

func (t *target) besideRude(ctx context.Context, streams int, r *rudeResult) error {
	if err := t.fleet.connectOnce(ctx); err != nil {
		return err
	}
	defer t.fleet.disconnect()
	var err error
	if r.quiet, err = t.serve(ctx); err != nil {
		return fmt.Errorf("quiet: %w", err)
	}
	crowd, err := t.annoy(ctx, streams)
	if err != nil {
		return err
	}
	r.beside, err = t.serve(ctx)
	said, ended := crowd.end(ctx)
	r.kinds = said
	if err != nil {
		return fmt.Errorf("beside rude clients: %w", errors.Join(err, ended))
	}
	return ended
}

// connectOnce is connect for clients that do not come back: the end of a stream is an error.
func (f *fleet) connectOnce(ctx context.Context) error {
	running, cancel := context.WithCancel(ctx)
	f.cancel = cancel
	for _, c := range f.clients {
		f.done.Go(func() {
			if err := c.Run(running); running.Err() == nil {
				f.errs <- fmt.Errorf("a well-behaved client was closed: %w", err)
			}
		})
	}
	return f.settle(ctx)
}

// serve changes endpoints again and again.
func (t *target) serve(ctx context.Context) (service, error) {
	var s service
	var took []time.Duration
	ticker := time.NewTicker(changeEvery)
	defer ticker.Stop()
	before, err := t.own(ctx)
	if err != nil {
		return s, err
	}
	begun := time.Now()
	cpu, err := t.process.spent(func() error {
		for range t.options.changes {
			d, err := t.change(ctx)
			if err != nil {
				return err
			}
			took = append(took, d...)
			memory, err := t.process.memory()
			if err != nil {
				return err
			}
			s.memory = max(s.memory, memory)
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	if err != nil {
		return s, err
	}
	slices.Sort(took)
	s.p50, s.p99, s.worst = percentile(took, 50), percentile(took, 99), took[len(took)-1]
	s.cores = float64(cpu) / float64(time.Since(begun))
	after, err := t.own(ctx)
	s.toACK = after[metricToACK].since(before[metricToACK])
	return s, err
}

// reportRude prints both states of the world, and what became of the rude.
func reportRude(w io.Writer, r rudeResult) error {
	table := newTable(w)
	fmt.Fprintln(table, "well-behaved clients\tquiet\tbeside rude clients")
	for _, row := range []struct {
		what string
		cell func(service) string
	}{
		{"one endpoint change: file to ACK, p50", func(s service) string { return millis(s.p50) }},
		{"one endpoint change: file to ACK, p99", func(s service) string { return millis(s.p99) }},
		{"one endpoint change: file to ACK, worst", func(s service) string { return millis(s.worst) }},
		{"one endpoint change: source read to last ACK, p50", func(s service) string { return toLast(s.toACK, 50) }},
		{"one endpoint change: source read to last ACK, p99", func(s service) string { return toLast(s.toACK, 99) }},
		{"CPU of the server, in cores", func(s service) string { return fmt.Sprintf("%.2f", s.cores) }},
		{"most memory of the server", func(s service) string { return mega(s.memory) }},
	} {
		fmt.Fprintf(table, "%s\t%s\t%s\n", row.what, row.cell(r.quiet), row.cell(r.beside))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "no well-behaved client was closed, nor one of %d Envoys; the rude ones ended so:\n", r.envoys)
	table = newTable(w)
	for _, kind := range r.kinds {
		fmt.Fprintf(table, "%s\n", kind)
	}
	return table.Flush()
}
