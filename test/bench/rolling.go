package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"outrigger.dev/outrigger/test/bench/adsclient"
)

// rollingResult is what clients of two replicas get while one after the other is restarted.
type rollingResult struct {
	streams  int
	restarts []returned
}

// replicas are two servers of one folder and one authority, and their clients, half at each.
type replicas struct {
	servers [2]*process
	at      [2]serverAt
	fleet   *fleet
	mesh    mesh
}

// measureRolling ends and starts again each of two replicas, as an operator does; their clients move to the other one.
func measureRolling(ctx context.Context, o options, dir string) (result *rollingResult, err error) {
	r := replicas{mesh: o.mesh(dir + "/mesh")}
	if err := r.mesh.write(); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.stop(ctx)) }()
	for i, name := range []string{"main", "b"} {
		if r.servers[i], r.at[i], err = startServer(ctx, o, dir, "--replica", name); err != nil {
			return nil, err
		}
	}
	configs, err := clientConfigs(ctx, o, dir, r.at[0].xds)
	if err != nil {
		return nil, err
	}
	r.fleet = newFleet(r.spread(configs), r.servers[:]...)
	if result, err = r.measure(ctx); err != nil {
		return nil, fmt.Errorf("replicas: %w; the servers' logs are %s and %s", err, r.servers[0].logs, r.servers[1].logs)
	}
	return result, nil
}

// stop ends those that run.
func (r *replicas) stop(ctx context.Context) error {
	var err error
	for _, p := range r.servers {
		if p != nil {
			err = errors.Join(err, p.stop(ctx))
		}
	}
	return err
}

// spread makes every client know both servers, and every second one begin at the second.
func (r *replicas) spread(configs []adsclient.Config) []adsclient.Config {
	for i := range configs {
		configs[i].Address, configs[i].Others = r.at[i%2].xds, []string{r.at[1-i%2].xds}
	}
	return configs
}

func (r *replicas) measure(ctx context.Context) (*rollingResult, error) {
	if err := r.fleet.connectFirst(ctx, len(r.fleet.clients)); err != nil {
		return nil, err
	}
	defer r.fleet.disconnect()
	result := &rollingResult{streams: len(r.fleet.clients)}
	for i := range r.servers {
		one, err := r.restart(ctx, i)
		if err != nil {
			return nil, fmt.Errorf("restart of replica %d: %w", i+1, err)
		}
		result.restarts = append(result.restarts, one)
		if err := r.reach(ctx, i); err != nil {
			return nil, fmt.Errorf("a change behind restart %d: %w", i+1, err)
		}
	}
	return result, nil
}

// reach changes an endpoint and waits until all who see it have it: those of whom nothing was heard are there.
func (r *replicas) reach(ctx context.Context, service int) error {
	ctx, cancel := context.WithTimeout(ctx, reachLimit)
	defer cancel()
	write := func() error { return r.mesh.writeService(service, 1) }
	_, err := r.fleet.await(ctx, endpointsOf(service), r.mesh.seenBy(service, len(r.fleet.clients)), write)
	return errors.Join(err, r.fleet.settle(ctx))
}

// reachLimit is how long a change may take to reach everybody.
const reachLimit = 20 * time.Second

// restart restarts one replica and waits until all clients have settled. The CPU is that of the other one, to which they
// move, and of the new one's start.
func (r *replicas) restart(ctx context.Context, i int) (returned, error) {
	other := r.servers[1-i]
	var cpu time.Duration
	begun := time.Now()
	r.fleet.peak = 0
	sent, err := r.fleet.during(func() (err error) {
		cpu, err = other.spent(func() error {
			if err := r.servers[i].stop(ctx); err != nil {
				return err
			}
			if err := r.servers[i].again(ctx); err != nil {
				return err
			}
			if err := waitFor(ctx, r.servers[i], r.at[i].xds); err != nil {
				return err
			}
			return r.fleet.settle(ctx)
		})
		return err
	})
	if err != nil {
		return returned{}, err
	}
	start, err := r.servers[i].cpu()
	return returned{
		took: r.fleet.since(begun), cpu: (cpu + start) / time.Duration(len(r.fleet.clients)), sent: sent, peak: r.fleet.peak,
	}, err
}

// reportRolling prints one column a restart.
func reportRolling(w io.Writer, r rollingResult) error {
	table := newTable(w)
	fmt.Fprintln(table, "two replicas, restarted in turn\tthe first\tthe second")
	for _, row := range []struct {
		what string
		cell func(returned) string
	}{
		{"until all are back", func(r returned) string { return millis(r.took) }},
		{"CPU per stream", func(r returned) string { return micros(r.cpu) }},
		{"bytes per stream", func(one returned) string { return fmt.Sprint(one.sent.bytes / int64(r.streams)) }},
		{"resource bytes, all streams", func(r returned) string { return fmt.Sprint(r.sent.bodies) }},
		{"most memory seen, both servers", func(r returned) string { return mega(r.peak) }},
	} {
		fmt.Fprintf(table, "%s\t%s\t%s\n", row.what, row.cell(r.restarts[0]), row.cell(r.restarts[1]))
	}
	return table.Flush()
}
