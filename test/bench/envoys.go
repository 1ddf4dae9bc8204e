package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"time"

	"outrigger.dev/outrigger/test/envoy"
)

// envoys are real ones, with every service in scope.
type envoys []*envoy.Proxy

// envoyLimit is how long one may take to become ready.
const envoyLimit = 30 * time.Second

// freeListens returns as many addresses that nobody listens on now.
func freeListens(ctx context.Context, n int) ([]listen, error) {
	var all []listen
	for range n {
		address, err := freeAddress(ctx)
		if err != nil {
			return nil, err
		}
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		number, err := strconv.Atoi(port)
		if err != nil {
			return nil, err
		}
		all = append(all, listen{host, number})
	}
	return all, nil
}

// startEnvoys starts those of the mesh and waits until they are ready. stop must be called, whatever the error.
func (t *target) startEnvoys(ctx context.Context) (envoys, error) {
	var all envoys
	for i := range t.mesh.envoys {
		dir := fmt.Sprintf("%s/%s", t.dir, envoyName(i))
		if err := t.bootstrap(ctx, dir, envoyName(i)); err != nil {
			return all, err
		}
		proxy, err := envoy.Start(ctx, envoy.Config{Dir: dir})
		if err != nil {
			return all, err
		}
		all = append(all, proxy)
	}
	ctx, cancel := context.WithTimeout(ctx, envoyLimit)
	defer cancel()
	for _, proxy := range all {
		if err := proxy.WaitReady(ctx); err != nil {
			return all, err
		}
	}
	return all, nil
}

// bootstrap writes the folder of a sidecar, with its token.
func (t *target) bootstrap(ctx context.Context, dir, workload string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("folder of an Envoy: %w", err)
	}
	who := []string{"--data-dir", t.dir + "/data", "--namespace", namespace, "--workload", workload, "--service-account", "client"}
	for _, args := range [][]string{
		append([]string{"bootstrap", "--out", dir, "--server", t.address}, who...),
		append([]string{"token", "--out", dir + "/token"}, who...),
	} {
		if text, err := exec.CommandContext(ctx, t.options.outrigger, args...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s %s: %w: %s", t.options.outrigger, args[0], err, text)
		}
	}
	return nil
}

// check says which of them lost its stream or refused something.
func (e envoys) check(ctx context.Context) error {
	var errs []error
	for i, proxy := range e {
		stats, err := proxy.Stats(ctx, `^control_plane\.connected_state$|^cluster\.xds\.upstream_cx_total$|\.update_rejected$`)
		if err != nil {
			errs = append(errs, err)
		} else if err := checkStats(stats); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", envoyName(i), err))
		}
	}
	return errors.Join(errs...)
}

// checkStats wants one connection, which stands, and nothing refused.
func checkStats(stats map[string]int64) error {
	want := map[string]int64{"control_plane.connected_state": 1, "cluster.xds.upstream_cx_total": 1}
	for name := range want {
		if _, ok := stats[name]; !ok {
			return fmt.Errorf("it does not tell %s", name)
		}
	}
	for name, n := range stats {
		if n != want[name] {
			return fmt.Errorf("%s is %d", name, n)
		}
	}
	return nil
}

func (e envoys) stop() error {
	var errs []error
	for _, proxy := range e {
		errs = append(errs, proxy.Stop())
	}
	return errors.Join(errs...)
}
