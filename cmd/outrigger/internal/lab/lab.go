//go:build linux

package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"

	"outrigger.dev/outrigger/deploy/capture"
	"outrigger.dev/outrigger/deploy/podnet"
)

// DefaultDir is the lab's folder unless something else is said.
const DefaultDir = "/run/outrigger-lab"

// programUser is who the programs of the pods run as.
const programUser = 10001

const (
	xdsPort     = "15010"
	metricsAddr = "127.0.0.1:15014"
	// tokenLife is the longest that a join token can have: a lab may stay up for long.
	tokenLife = "720h"
)

// Config says what Run runs.
type Config struct {
	// Dir is the lab's folder, which is made, and removed in the end. What is wrong is found in its logs.
	Dir string
	// Envoy is the path of the Envoy binary, which every user may run.
	Envoy string
	// Command is what users call this binary, for what is printed.
	Command string
	// Out is where it is said what to try, Progress where it is said what goes on.
	Out, Progress io.Writer
}

// ErrNoRoot says that the caller is not root.
var ErrNoRoot = errors.New("a lab makes network namespaces, bridges and rules: it needs root")

// Run makes a lab, says what to try, and stays until ctx ends; that is no error. After an error the folder stays.
func Run(ctx context.Context, c Config) error {
	if os.Geteuid() != 0 {
		return ErrNoRoot
	}
	if err := openToAll(c.Envoy); err != nil {
		return err
	}
	f, err := openFolder(c.Dir)
	if err != nil {
		return err
	}
	l := &lab{Config: c, folder: f}
	if err := l.run(ctx); err != nil {
		return errors.Join(err, f.keep())
	}
	return f.close()
}

// lab is a lab while it is made, and while it runs.
type lab struct {
	Config

	folder    *folder
	network   *podnet.Network
	pods      []pod
	processes *errgroup.Group
}

// run makes everything and takes it away again.
func (l *lab) run(ctx context.Context) (err error) {
	if l.network, err = podnet.New(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.network.Close()) }()
	living, end := context.WithCancel(ctx)
	defer end()
	l.processes, living = errgroup.WithContext(living)
	err = l.start(living)
	if err == nil {
		<-living.Done()
		fmt.Fprintln(l.Progress, "ending")
	}
	end()
	if ended := l.processes.Wait(); ended != nil {
		return ended // What is wrong with the start follows from it.
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// start brings everything up, in the order in which one needs the other.
func (l *lab) start(ctx context.Context) error {
	for _, step := range []struct {
		says string
		do   func(context.Context) error
	}{
		{"pods on a bridge, captured", l.makePods},
		{"control plane on the node", l.startServer},
		{"a program in each pod, and its Envoy", l.startPods},
		{"a first call", l.prove},
	} {
		fmt.Fprintln(l.Progress, step.says)
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.says, err)
		}
	}
	if err := l.folder.publish(l.state()); err != nil {
		return err
	}
	return l.story()
}

// makePods makes the network, the rules, and what the mesh and the shells know of the pods.
func (l *lab) makePods(ctx context.Context) error {
	var workloads strings.Builder
	for _, s := range specs() {
		made, err := l.network.Add(ctx, s.name)
		if err != nil {
			return err
		}
		p := pod{spec: s, Pod: made}
		l.pods = append(l.pods, p)
		if !p.inMesh() {
			continue
		}
		workloads.WriteString(p.workload())
		if err := p.Do(func() error { return capture.Apply(captureConfig()) }); err != nil {
			return err
		}
	}
	return errors.Join(
		os.WriteFile(filepath.Join(l.folder.mesh(), "workloads.yaml"), []byte(workloads.String()), 0o644),
		os.WriteFile(l.folder.hosts(), []byte(hosts(l.network.Node(), l.pods)), 0o644),
	)
}

func captureConfig() capture.Config { return capture.Config{ProxyUser: capture.DefaultProxyUser} }

func (l *lab) startServer(ctx context.Context) error {
	node := l.network.Node()
	l.launch(ctx, process{
		name: "the control plane", pod: node, log: l.folder.log("outrigger"), path: self,
		args: []string{
			"server", "--config-dir", l.folder.mesh(), "--data-dir", l.folder.data(),
			"--xds-listen", node.IPv4.String() + ":" + xdsPort, "--metrics-listen", metricsAddr,
		},
	})
	return until(ctx, "the control plane is ready", func(ctx context.Context) error {
		return ask(ctx, node.Dial, "http://"+metricsAddr+"/readyz", io.Discard)
	})
}

func (l *lab) startPods(ctx context.Context) error {
	for _, p := range l.pods {
		l.launch(ctx, process{
			name: p.name, pod: p.Pod, user: programUser, log: l.folder.log(p.name), path: self,
			args: append([]string{"lab", "program", p.name}, p.program...),
		})
		if p.inMesh() {
			if err := l.startSidecar(ctx, p); err != nil {
				return err
			}
		}
	}
	for _, p := range l.pods {
		if p.inMesh() {
			if err := l.awaitSidecar(ctx, p); err != nil {
				return err
			}
		}
	}
	return nil
}

// launch starts a process that runs until the end of the lab. If it ends earlier, the lab ends.
func (l *lab) launch(ctx context.Context, p process) {
	l.processes.Go(func() error { return p.run(ctx) })
}

func (l *lab) state() state {
	var s state
	for _, p := range l.pods {
		s.Pods = append(s.Pods, podState{Name: p.name, NetNS: p.Path()})
	}
	s.Pods = append(s.Pods, podState{Name: "node", NetNS: l.network.Node().Path()})
	return s
}
