package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/pprof/profile"

	"outrigger.dev/outrigger/xds/debug"
)

// profiler collects what the server spends its time on while it does something, for the compiler.
type profiler struct {
	server *debug.Client
	parts  []*profile.Profile
}

// newProfiler asks the server whose data folder that is.
func newProfiler(data string) *profiler { return &profiler{server: debug.NewClient(data)} }

// during collects while do runs, and up to a second longer.
func (p *profiler) during(ctx context.Context, do func() error) error {
	over, collected := make(chan struct{}), make(chan error, 1)
	go func() { collected <- p.collect(ctx, over) }()
	err := do()
	close(over)
	return errors.Join(err, <-collected)
}

// collect takes profiles of a second, until it is over.
func (p *profiler) collect(ctx context.Context, over <-chan struct{}) error {
	for {
		part, err := p.second(ctx)
		if err != nil {
			return fmt.Errorf("profile: %w", err)
		}
		p.parts = append(p.parts, part)
		select {
		case <-over:
			return nil
		default:
		}
	}
}

func (p *profiler) second(ctx context.Context) (*profile.Profile, error) {
	data, err := p.server.Read(ctx, "/debug/pprof/profile?seconds=1")
	if err != nil {
		return nil, err
	}
	return profile.ParseData(data)
}

// profileOurs has our server do what servers mostly do, and writes what that is spent on.
func profileOurs(ctx context.Context, o options, dir string) error {
	t, err := open(ctx, o, dir, starter{name: "outrigger", run: startOutrigger})
	if err != nil {
		return err
	}
	p := newProfiler(t.dir + "/data")
	if err := errors.Join(t.profile(ctx, p), t.process.stop(ctx)); err != nil {
		return fmt.Errorf("%w; its log is %s", err, t.process.logs)
	}
	return p.write(o.profile)
}

func (t *target) profile(ctx context.Context, p *profiler) error {
	var unused result
	for _, s := range []step{
		{"first connections", t.first}, {"endpoint changes", t.changes}, {"services added", t.additions}, {"reconnects", t.reconnect},
	} {
		fmt.Fprintln(os.Stderr, "profile:", s.what)
		if err := p.during(ctx, func() error { return s.do(ctx, &unused) }); err != nil {
			return fmt.Errorf("%s: %w", s.what, err)
		}
	}
	t.fleet.disconnect()
	return nil
}

// write puts all together into a file, without what tells of the machine.
func (p *profiler) write(path string) error {
	whole, err := profile.Merge(p.parts)
	if err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	for _, m := range whole.Mapping {
		m.File, m.BuildID = "", ""
	}
	whole.TimeNanos = 0
	file, err := os.Create(filepath.Clean(path))
	if err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	return errors.Join(whole.Write(file), file.Close())
}
