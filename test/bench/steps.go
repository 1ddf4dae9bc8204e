package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy/ir"
	"outrigger.dev/outrigger/xds/cache"
)

// restFor is how long the server is looked at when nothing happens: longer than it takes to look through its folder again.
const restFor = 12 * time.Second

// calmAfter is how long a server that proxies have connected to may need until it is calm: ours gives memory back once
// then, which is no part of what comes later.
const calmAfter = 20 * time.Second

// gently is how many clients connect at once where only their rest counts.
const gently = 200

func (t *target) perStream(d time.Duration) time.Duration {
	return d / time.Duration(len(t.fleet.clients))
}

func (t *target) first(ctx context.Context, r *result) error {
	begun := time.Now()
	atOnce := len(t.fleet.clients)
	if t.options.idle > 0 {
		atOnce = min(atOnce, gently)
	}
	cpu, err := t.process.spent(func() error { return t.fleet.connectFirst(ctx, atOnce) })
	if err != nil {
		return err
	}
	r.firstTook = t.fleet.since(begun)
	n := int64(len(t.fleet.clients))
	r.firstCPU, r.firstBytes = t.perStream(cpu), t.fleet.counts().bytes/n
	r.memory.with, err = t.process.memory()
	return err
}

// rest does nothing.
func (t *target) rest(ctx context.Context, r *result) error {
	if err := t.fleet.pause(ctx, calmAfter); err != nil {
		return err
	}
	long := max(restFor, t.options.idle)
	cpu, err := t.process.spent(func() error { return t.fleet.pause(ctx, long) })
	if err != nil {
		return err
	}
	r.idleCPU = time.Duration(float64(cpu) / long.Seconds())
	r.memory.rested, err = t.process.memory()
	return err
}

// busy returns the CPU that the server used while do ran, without what it uses when nothing happens.
func (t *target) busy(r *result, do func() error) (time.Duration, error) {
	begun := time.Now()
	cpu, err := t.process.spent(do)
	idle := time.Duration(float64(r.idleCPU) * time.Since(begun).Seconds())
	return max(cpu-idle, 0), err
}

// changes gives one endpoint after another a new address: with a declared scope, one that few clients see.
func (t *target) changes(ctx context.Context, r *result) error {
	before, err := t.own(ctx)
	if err != nil {
		return err
	}
	var took []time.Duration
	cpu, err := t.busy(r, func() error {
		for range t.options.changes {
			d, err := t.change(ctx)
			if err != nil {
				return err
			}
			took = append(took, d...)
		}
		return t.fleet.settle(ctx)
	})
	if err != nil {
		return err
	}
	after, err := t.own(ctx)
	slices.Sort(took)
	r.change = changed{
		seenBy: t.mesh.seenBy(0, len(t.fleet.clients)), cpu: cpu / time.Duration(t.options.changes),
		p50: percentile(took, 50), p99: percentile(took, 99), toACK: after[metricToACK].since(before[metricToACK]),
		toSend: after[metricToSend].since(before[metricToSend]),
	}
	return err
}

// own returns what the server measures itself, if it is ours.
func (t *target) own(ctx context.Context) (map[string]histogram, error) {
	if t.metrics == "" {
		return nil, nil
	}
	return scrape(ctx, t.metrics)
}

// change gives the endpoint of the next service the next address.
func (t *target) change(ctx context.Context) ([]time.Duration, error) {
	service := t.generation % t.options.services
	if t.mesh.scope > 0 {
		service = t.generation % t.mesh.groups()
	}
	t.generation++
	write := func() error { return t.mesh.writeService(service, t.generation) }
	return t.fleet.await(ctx, endpointsOf(service), t.mesh.seenBy(service, len(t.fleet.clients)), write)
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

// additions adds services that all clients see.
func (t *target) additions(ctx context.Context, r *result) error {
	var cpu time.Duration
	sent, err := t.fleet.during(func() (err error) {
		cpu, err = t.busy(r, func() error {
			for i := range t.options.added {
				service := t.options.services + i
				write := func() error { return t.mesh.writeService(service, 0) }
				if _, err := t.fleet.await(ctx, endpointsOf(service), len(t.fleet.clients), write); err != nil {
					return err
				}
				if err := t.fleet.settle(ctx); err != nil {
					return err
				}
			}
			return nil
		})
		return err
	})
	n := t.options.added
	r.added = &added{cpu: t.perStream(cpu) / time.Duration(n), bytes: sent.bytes / int64(n*len(t.fleet.clients))}
	return err
}

// unseenAdditions adds services that are in no scope, each in a batch of its own unless the server is late.
func (t *target) unseenAdditions(ctx context.Context, r *result) error {
	before, err := t.own(ctx)
	if err != nil {
		return err
	}
	cpu, err := t.busy(r, func() error {
		for i := range t.options.added {
			if err := t.mesh.writeService(t.options.services+i, 0); err != nil {
				return err
			}
			if err := t.fleet.pause(ctx, changeEvery); err != nil {
				return err
			}
		}
		return t.fleet.settle(ctx)
	})
	if err != nil {
		return err
	}
	after, err := t.own(ctx)
	if err != nil {
		return err
	}
	if got := after[metricApply].since(before[metricApply]).count; t.metrics != "" && 2*got < uint64(t.options.added) {
		return fmt.Errorf("the server took %d services in %d batches", t.options.added, got)
	}
	r.unseen = &unseen{
		cpu: cpu / time.Duration(t.options.added), woken: int64(after[metricWoken].since(before[metricWoken]).count),
	}
	return nil
}

// views changes what all clients see, at once.
func (t *target) views(ctx context.Context, r *result) (err error) {
	write := func() error { return t.mesh.writeProxies(true) }
	r.view, err = t.returned(func() error {
		if t.mesh.scope == 0 {
			if err := write(); err != nil {
				return err
			}
		} else if _, err := t.fleet.await(ctx, endpointsOf(t.mesh.spare()), len(t.fleet.clients), write); err != nil {
			return err
		}
		return t.fleet.settle(ctx)
	})
	return err
}

func (t *target) reconnect(ctx context.Context, r *result) (err error) {
	t.fleet.disconnect()
	r.reconnect, err = t.returned(func() error { return t.fleet.connect(ctx) })
	return err
}

// returned does something, after which all clients have settled.
func (t *target) returned(do func() error) (returned, error) {
	var cpu time.Duration
	begun := time.Now()
	t.fleet.peak = 0
	sent, err := t.fleet.during(func() (err error) {
		cpu, err = t.process.spent(do)
		return err
	})
	return returned{took: t.fleet.since(begun), cpu: t.perStream(cpu), sent: sent, peak: t.fleet.peak}, err
}

// restart kills the server and starts it again at once; the clients come back by themselves.
func (t *target) restart(ctx context.Context, r *result) error {
	begun := time.Now()
	t.fleet.peak = 0
	sent, err := t.fleet.during(func() error {
		if err := t.process.restart(ctx); err != nil {
			return err
		}
		return t.fleet.settle(ctx)
	})
	if err != nil {
		return err
	}
	cpu, err := t.process.cpu()
	r.restart = &returned{took: t.fleet.since(begun), cpu: t.perStream(cpu), sent: sent, peak: t.fleet.peak}
	return err
}
