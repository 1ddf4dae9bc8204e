package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"outrigger.dev/outrigger/xds/cache"
)

// registryResult is what was measured of a server of ours with a real registry.
type registryResult struct {
	kind string
	// scale is with -registry-services services of -registry-endpoints endpoints, and no proxies.
	scale scaled
	// services and streams are those of what follows: one registry for the proxies to see all of.
	services, streams int
	toACK             []time.Duration // from the write into the registry to each client's acknowledgement, sorted
	connections       float64
	idleCPU, churnCPU float64 // of a core, at rest and at churnRate writes a second that change nothing
	churnPushes       float64
}

// scaled is what a large registry takes.
type scaled struct {
	services, endpoints int
	ready               time.Duration
	memory              int64
	changeCPU           float64 // of a core, at changeRate changes of endpoints a second
}

const (
	changeRate, churnRate = 100, 50
	churnTime             = 10 * time.Second
	fillers               = 16 // writers into a registry at once
)

// registry is a real one that is written to.
type registry interface {
	// put makes service i with so many endpoints; another generation has another address for the first of them.
	put(ctx context.Context, i, endpoints, generation int) error
	// touch writes something about service i that is no change to a mesh.
	touch(ctx context.Context, i, n int) error
	// assignment is the name of the endpoints of service i.
	assignment(i int) string
	// arguments are those of a server that watches the registry; config is put into the folder of its mesh.
	arguments() []string
	config() string
	close() error
}

// opener starts a registry; its files go to a folder.
type opener func(ctx context.Context, dir string) (registry, error)

func measureRegistry(ctx context.Context, o options, kind, dir string, open opener) (*registryResult, error) {
	r := &registryResult{kind: kind, services: o.services, streams: o.streams}
	if o.registryServices > 0 {
		err := withRegistry(ctx, dir+"/scale", open, func(reg registry) error {
			var err error
			r.scale, err = measureScale(ctx, o, dir+"/scale", reg)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", kind, err)
		}
	}
	err := withRegistry(ctx, dir+"/proxies", open, func(reg registry) error { return r.measureProxies(ctx, o, dir+"/proxies", reg) })
	if err != nil {
		return nil, fmt.Errorf("%s: %w", kind, err)
	}
	return r, nil
}

func withRegistry(ctx context.Context, dir string, open opener, do func(registry) error) error {
	if err := os.MkdirAll(dir+"/mesh", 0o700); err != nil {
		return err
	}
	reg, err := open(ctx, dir)
	if err != nil {
		return err
	}
	return errors.Join(do(reg), reg.close())
}

// fill writes all services, several at once.
func fill(ctx context.Context, reg registry, services, endpoints int) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(fillers)
	for i := range services {
		if i%1000 == 0 {
			fmt.Fprintf(os.Stderr, "registry: %d of %d services written\n", i, services)
		}
		group.Go(func() error { return reg.put(ctx, i, endpoints, 0) })
	}
	return group.Wait()
}

func measureScale(ctx context.Context, o options, dir string, reg registry) (s scaled, err error) {
	s.services, s.endpoints = o.registryServices, o.registryEndpoints
	if err := fill(ctx, reg, s.services, s.endpoints); err != nil {
		return s, err
	}
	if err := os.WriteFile(dir+"/mesh/mesh.yaml", []byte(reg.config()), 0o600); err != nil {
		return s, err
	}
	begun := time.Now()
	p, at, err := startServer(ctx, o, dir, reg.arguments()...)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, p.stop(ctx)) }()
	if err := awaitReady(ctx, at.metrics); err != nil {
		return s, err
	}
	s.ready = time.Since(begun)
	if s.memory, err = p.memory(); err != nil {
		return s, err
	}
	s.changeCPU, err = cpuAt(p, func() error {
		return atRate(ctx, changeRate, churnTime, func(n int) error { return reg.put(ctx, n%s.services, s.endpoints, 1+n) })
	})
	return s, err
}

func (r *registryResult) measureProxies(ctx context.Context, o options, dir string, reg registry) (err error) {
	if err := fill(ctx, reg, o.services, 2); err != nil {
		return err
	}
	m := mesh{dir: dir + "/mesh", streams: o.streams}
	if err := m.write(); err != nil {
		return err
	}
	if err := m.put("registry.yaml", []byte(reg.config())); err != nil {
		return err
	}
	p, at, err := startServer(ctx, o, dir, reg.arguments()...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop(ctx)) }()
	if err := awaitReady(ctx, at.metrics); err != nil {
		return err
	}
	configs, err := clientConfigs(ctx, o, dir, at.xds)
	if err != nil {
		return err
	}
	f := newFleet(configs, p)
	if err := f.connect(ctx); err != nil {
		return err
	}
	defer f.disconnect()
	if err := r.measureEvents(ctx, o, f, reg); err != nil {
		return err
	}
	return r.measureRest(ctx, p, at.metrics, reg)
}

func (r *registryResult) measureEvents(ctx context.Context, o options, f *fleet, reg registry) error {
	for n := range o.changes {
		ref := cache.Ref{Type: cache.Endpoints, Name: reg.assignment(n % o.services)}
		took, err := f.await(ctx, ref, o.streams, func() error { return reg.put(ctx, n%o.services, 2, 1+n) })
		if err != nil {
			return err
		}
		r.toACK = append(r.toACK, took...)
	}
	slices.Sort(r.toACK)
	return nil
}

// measureRest measures a server at rest, then beside writes that change nothing.
func (r *registryResult) measureRest(ctx context.Context, p *process, metrics string, reg registry) (err error) {
	if r.connections, err = gaugeOf(ctx, metrics, "outrigger_source_connections"); err != nil {
		return err
	}
	if r.idleCPU, err = cpuAt(p, func() error { return atRate(ctx, 1, churnTime, func(int) error { return nil }) }); err != nil {
		return err
	}
	before, err := gaugeOf(ctx, metrics, "outrigger_xds_pushes_total")
	if err != nil {
		return err
	}
	r.churnCPU, err = cpuAt(p, func() error {
		return atRate(ctx, churnRate, churnTime, func(n int) error { return reg.touch(ctx, n%r.services, n) })
	})
	if err != nil {
		return err
	}
	after, err := gaugeOf(ctx, metrics, "outrigger_xds_pushes_total")
	r.churnPushes = after - before
	return err
}

// cpuAt returns how much of a core a process uses while something goes on.
func cpuAt(p *process, do func() error) (float64, error) {
	begun := time.Now()
	used, err := p.spent(do)
	return used.Seconds() / time.Since(begun).Seconds(), err
}

// atRate does something so many times a second for a time; what takes longer than its turn goes on beside the next.
func atRate(ctx context.Context, rate int, span time.Duration, do func(n int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	ticker := time.NewTicker(time.Second / time.Duration(rate))
	defer ticker.Stop()
	for n := range int(span.Seconds() * float64(rate)) {
		select {
		case <-ctx.Done():
			return group.Wait()
		case <-ticker.C:
			group.Go(func() error { return do(n) })
		}
	}
	return group.Wait()
}

func awaitReady(ctx context.Context, metrics string) error {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+metrics+"/readyz", http.NoBody)
		if err != nil {
			return err
		}
		answer, err := http.DefaultClient.Do(request)
		if err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// endpointAddress is that of endpoint j of service i, which has so many; of another generation for the first one.
func endpointAddress(i, j, endpoints, generation int) netip.Addr {
	n := i*endpoints + j
	net := byte(20)
	if j == 0 && generation > 0 {
		n, net = generation, 60
	}
	return netip.AddrFrom4([4]byte{10, net + byte(n/62500), byte(n / 250 % 250), byte(1 + n%250)})
}
