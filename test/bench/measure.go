package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy/ir"
	"outrigger.dev/outrigger/xds/cache"
)

// result is what was measured of one server; CPU is that of the server process alone.
type result struct {
	server        string
	firstCPU      time.Duration // per stream
	firstBytes    int64         // per stream
	changeCPU     time.Duration // per stream and change
	changeP50     time.Duration // from the write of the file to the client's acknowledgement
	changeP99     time.Duration
	addedCPU      time.Duration // per stream and service
	addedBytes    int64         // per stream and service
	reconnectCPU  time.Duration // per stream
	reconnectBody int64         // bytes of resources, all streams together
	firstTook     time.Duration // until the last client had everything
	reconnectTook time.Duration
	restarted     bool          // the following was measured: the server was killed, and started again at once
	restartTook   time.Duration // until the last client had heard of it
	restartCPU    time.Duration // per stream, with reading the mesh
	restartBody   int64         // bytes of resources, all streams together
	restartPeak   int64         // anonymous memory, the most that was seen, once a second
	memory        int64         // anonymous, whole process
	idleMemory    int64         // the same before the first stream
}

// target is a running server and what measures it.
type target struct {
	// restarts says that the server may be killed and started again.
	restarts bool
	name     string
	process  *process
	fleet    *fleet
	mesh     mesh
	options  options
	dir      string
	address  string
	// generation counts the endpoint changes beside rude clients.
	generation int
}

// figures are all that was measured.
type figures struct {
	servers []result
	floors  []floor
	rude    *rudeResult
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
	return report(os.Stdout, o, all)
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
	r, err := measureOne(ctx, o, dir, s)
	to.servers = append(to.servers, r)
	return err
}

func measureOne(ctx context.Context, o options, dir string, start starter) (result, error) {
	m := mesh{dir: dir + "/" + start.name + "/mesh", services: o.services, streams: o.streams, capture: o.capture}
	if err := m.write(); err != nil {
		return result{}, err
	}
	if start.light {
		o.changes, o.added = min(o.changes, 2), min(o.added, 2)
	}
	t, err := start.run(ctx, o, dir+"/"+start.name)
	if err != nil {
		return result{}, fmt.Errorf("%s: %w", start.name, err)
	}
	t.name, t.mesh, t.options = start.name, m, o
	r, err := t.measure(ctx)
	if err != nil {
		return result{}, fmt.Errorf("%s: %w; its log is %s", start.name, err, t.process.logs)
	}
	return r, t.process.stop(ctx)
}

// step is a part of the measurement.
type step struct {
	what string
	do   func(context.Context, *result) error
}

func (t *target) measure(ctx context.Context) (result, error) {
	r := result{server: t.name}
	steps := []step{
		{"first connections", t.first},
		{"endpoint changes", t.changes},
		{"services added", t.additions},
		{"reconnects", t.reconnect},
	}
	if t.restarts {
		steps = append(steps, step{"killed and restarted", t.restart})
	}
	var err error
	if r.idleMemory, err = t.process.memory(); err != nil {
		return r, err
	}
	for _, s := range steps {
		fmt.Fprintf(os.Stderr, "%s: %s\n", t.name, s.what)
		if err := s.do(ctx, &r); err != nil {
			return r, fmt.Errorf("%s: %w", s.what, err)
		}
	}
	t.fleet.disconnect()
	return r, nil
}

func (t *target) perStream(d time.Duration) time.Duration {
	return d / time.Duration(len(t.fleet.clients))
}

func (t *target) first(ctx context.Context, r *result) error {
	begun := time.Now()
	cpu, err := t.process.spent(func() error { return t.fleet.connect(ctx) })
	if err != nil {
		return err
	}
	r.firstTook = t.fleet.since(begun)
	messages, _ := t.fleet.bytes()
	r.firstCPU, r.firstBytes = t.perStream(cpu), messages/int64(len(t.fleet.clients))
	r.memory, err = t.process.memory()
	return err
}

// changes gives one endpoint after another a new address.
func (t *target) changes(ctx context.Context, r *result) error {
	var took []time.Duration
	cpu, err := t.process.spent(func() error {
		for i := range t.options.changes {
			service := i % t.options.services
			d, err := t.fleet.await(ctx, endpointsOf(service), func() error { return t.mesh.writeService(service, i+1) })
			if err != nil {
				return err
			}
			took = append(took, d...)
		}
		return t.fleet.settle(ctx)
	})
	slices.Sort(took)
	r.changeCPU = t.perStream(cpu) / time.Duration(t.options.changes)
	r.changeP50, r.changeP99 = percentile(took, 50), percentile(took, 99)
	return err
}

func endpointsOf(service int) cache.Ref {
	id := discovery.ServiceID{Namespace: namespace, Name: serviceName(service)}
	return cache.Ref{Type: cache.Endpoints, Name: ir.ClusterName(id, 80, "")}
}

func percentile(sorted []time.Duration, p int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[(len(sorted)-1)*p/100]
}

func (t *target) additions(ctx context.Context, r *result) error {
	before, _ := t.fleet.bytes()
	cpu, err := t.process.spent(func() error {
		for i := range t.options.added {
			service := t.options.services + i
			write := func() error { return t.mesh.writeService(service, 0) }
			if _, err := t.fleet.await(ctx, endpointsOf(service), write); err != nil {
				return err
			}
			if err := t.fleet.settle(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	after, _ := t.fleet.bytes()
	n := int64(t.options.added)
	r.addedCPU = t.perStream(cpu) / time.Duration(n)
	r.addedBytes = (after - before) / n / int64(len(t.fleet.clients))
	return err
}

func (t *target) reconnect(ctx context.Context, r *result) error {
	t.fleet.disconnect()
	_, before := t.fleet.bytes()
	begun := time.Now()
	cpu, err := t.process.spent(func() error { return t.fleet.connect(ctx) })
	r.reconnectTook = t.fleet.since(begun)
	_, after := t.fleet.bytes()
	r.reconnectCPU, r.reconnectBody = t.perStream(cpu), after-before
	return err
}

// restart kills the server and starts it again at once; the clients come back by themselves.
func (t *target) restart(ctx context.Context, r *result) error {
	_, before := t.fleet.bytes()
	t.fleet.peak = 0
	begun := time.Now()
	if err := t.process.restart(ctx); err != nil {
		return err
	}
	if err := t.fleet.settle(ctx); err != nil {
		return err
	}
	cpu, err := t.process.cpu()
	_, after := t.fleet.bytes()
	r.restarted, r.restartTook, r.restartCPU = true, t.fleet.since(begun), t.perStream(cpu)
	r.restartBody, r.restartPeak = after-before, t.fleet.peak
	return err
}
