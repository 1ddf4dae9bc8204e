package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// result is what was measured of one server; CPU is that of the server process alone.
type result struct {
	server     string
	ours       bool          // the server is ours: it tells more by itself, and must not send what clients have
	firstCPU   time.Duration // per stream
	firstBytes int64         // per stream
	firstTook  time.Duration // until the last client had everything
	idleCPU    time.Duration // per second, of all streams together, when nothing happens
	change     changed
	added      *added  // nil where it was not measured
	unseen     *unseen // nil where every service is in scope
	view       returned
	reconnect  returned
	restart    *returned // nil where it was not measured
	memory     memory
}

// changed is what changes of endpoints took.
type changed struct {
	seenBy   int           // how many streams have the endpoints
	cpu      time.Duration // per change, all streams together
	p50, p99 time.Duration // from the write of the file to the client's acknowledgement
	toSend   histogram     // the server's own, from its source's reading to the last send
	toACK    histogram     // the server's own, from its source's reading to the last acknowledgement
}

// added is what services took that all streams see, each.
type added struct {
	cpu   time.Duration // per stream
	bytes int64         // per stream
}

// unseen is what services took that no stream sees.
type unseen struct {
	cpu   time.Duration // per service, all streams together
	woken int64         // streams that looked at what they have, for all services together
}

// returned is what it took that all streams had come to rest again.
type returned struct {
	took time.Duration // until the last client had what it needed
	cpu  time.Duration // per stream
	sent counts        // to all streams together
	peak int64         // anonymous memory, the most that was seen, once a second
}

// memory is the anonymous one of the whole process.
type memory struct {
	before, with int64 // the first stream; all streams
	rested       int64 // all streams, after a rest
}

// target is a running server and what measures it.
type target struct {
	// metrics is where our server tells its own; empty: another's server.
	metrics string
	name    string
	process *process
	fleet   *fleet
	mesh    mesh
	options options
	dir     string
	address string
	// generation counts the endpoint changes beside rude clients.
	generation int
}

// figures are all that was measured.
type figures struct {
	servers []result
	floors  []floor
	rude    *rudeResult
	rolling *rollingResult
	// registries are in the order in which they were measured.
	registries []*registryResult
}

func measureAll(ctx context.Context, o options, dir string) error {
	chosen, err := starters(o)
	if err != nil {
		return err
	}
	var all figures
	for _, start := range chosen {
		if err := start.measure(ctx, o, dir, &all); err != nil {
			return err
		}
	}
	return errors.Join(report(os.Stdout, o, all), all.verdict())
}

// measure adds what it measures to the figures.
func (s starter) measure(ctx context.Context, o options, dir string, to *figures) error {
	if s.floors != nil {
		floors, err := s.floors(ctx, o, dir+"/"+s.name)
		to.floors = append(to.floors, floors...)
		return err
	}
	if s.rude != nil {
		r, err := s.rude(ctx, o, dir+"/"+s.name)
		to.rude = r
		return err
	}
	if s.rolling != nil {
		r, err := s.rolling(ctx, o, dir+"/"+s.name)
		to.rolling = r
		return err
	}
	if s.open != nil {
		if !s.large {
			o.registryServices = 0
		}
		r, err := measureRegistry(ctx, o, s.name, dir+"/"+s.name, s.open)
		to.registries = append(to.registries, r)
		return err
	}
	r, err := measureOne(ctx, o, dir, s)
	to.servers = append(to.servers, r)
	return err
}

func measureOne(ctx context.Context, o options, dir string, start starter) (result, error) {
	if start.light && o.scope == 0 {
		o.changes, o.added = min(o.changes, 2), min(o.added, 2)
	}
	t, err := open(ctx, o, dir, start)
	if err != nil {
		return result{}, err
	}
	r, err := t.measure(ctx)
	if err := errors.Join(err, t.process.stop(ctx)); err != nil {
		return result{}, fmt.Errorf("%s: %w; its log is %s", start.name, err, t.process.logs)
	}
	return r, nil
}

// open writes a mesh and starts a server on it.
func open(ctx context.Context, o options, dir string, start starter) (*target, error) {
	m := o.mesh(dir + "/" + start.name + "/mesh")
	if err := m.write(); err != nil {
		return nil, err
	}
	t, err := start.run(ctx, o, dir+"/"+start.name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", start.name, err)
	}
	t.name, t.mesh, t.options = start.name, m, o
	return t, nil
}

// step is a part of the measurement.
type step struct {
	what string
	do   func(context.Context, *result) error
}

// steps are those that the options and the server ask for, in order.
func (t *target) steps() []step {
	all := []step{{"first connections", t.first}, {"at rest", t.rest}}
	if t.options.idle > 0 {
		return all
	}
	all = append(all, step{"endpoint changes", t.changes})
	if t.mesh.scope == 0 {
		all = append(all, step{"services added", t.additions})
	} else {
		all = append(all, step{"services added that nobody sees", t.unseenAdditions})
	}
	all = append(all, step{"all views change", t.views}, step{"reconnects", t.reconnect})
	if t.metrics != "" {
		all = append(all, step{"killed and restarted", t.restart})
	}
	return all
}

func (t *target) measure(ctx context.Context) (result, error) {
	r := result{server: t.name, ours: t.metrics != ""}
	var err error
	if r.memory.before, err = t.process.memory(); err != nil {
		return r, err
	}
	for _, s := range t.steps() {
		fmt.Fprintf(os.Stderr, "%s: %s\n", t.name, s.what)
		if err := s.do(ctx, &r); err != nil {
			return r, fmt.Errorf("%s: %w", s.what, err)
		}
	}
	t.fleet.disconnect()
	return r, nil
}
