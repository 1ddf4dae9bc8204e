package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"time"

	"outrigger.dev/outrigger/test/mesh"
	"outrigger.dev/outrigger/test/process"
	"outrigger.dev/outrigger/test/relay"
)

// The folder that the mesh begins with, and the files that the steps write into it.
//
//go:embed mesh/*.yaml steps/*.yaml
var files embed.FS

// Addresses that the YAML does not say.
const (
	relayAddress   = "127.40.0.1:18000"
	xdsAddress     = "127.40.0.1:18010"
	metricsAddress = "127.40.0.1:18014"

	namespace = "shop"
	frontPage = "http://127.40.0.10:18080/"

	identityOf = "spiffe://cluster.local/ns/shop/sa/"
)

// instance is one program with its sidecar.
type instance struct {
	name    string // of the workload
	account string
	host    string
	args    []string // of the program
}

// Address of the program itself, and of its sidecar for everybody else.
func (i instance) application() string { return i.host + ":19080" }
func (i instance) sidecar() string     { return i.host + ":18080" }

var (
	frontend = instance{name: "frontend", account: "frontend", host: "127.40.0.10", args: []string{
		"frontend", "-cart", "http://127.40.0.10:18101/", "-catalog", "127.40.0.10:18102", "-payments", "http://127.40.0.10:18103/",
	}}
	cart1    = instance{name: "cart-1", account: "cart", host: "127.40.0.11", args: []string{"cart"}}
	cart2    = instance{name: "cart-2", account: "cart", host: "127.40.0.12", args: []string{"cart"}}
	cart3    = instance{name: "cart-3", account: "cart", host: "127.40.0.13", args: []string{"cart"}}
	catalog  = instance{name: "catalog", account: "catalog", host: "127.40.0.20", args: []string{"catalog"}}
	payments = instance{name: "payments", account: "payments", host: "127.40.0.30"}
)

// world is everything that runs.
type world struct {
	mesh     *mesh.Mesh
	relay    *relay.Relay
	programs map[string]*process.Process
	sidecars map[string]*mesh.Sidecar
	thief    *thief
	// first is what the first four sidecars were sent when they connected.
	first relay.Count
}

// setUp starts the mesh: the control plane, and each program with its sidecar.
func (w *world) setUp(ctx context.Context, dir string, out *teller) error {
	binary, err := outrigger()
	if err != nil {
		return err
	}
	w.mesh, err = mesh.New(mesh.Config{Binary: binary, Dir: dir, XDS: xdsAddress, Metrics: metricsAddress})
	if err != nil {
		return err
	}
	w.programs, w.sidecars = map[string]*process.Process{}, map[string]*mesh.Sidecar{}
	if err := w.copyMesh(); err != nil {
		return err
	}
	if err := w.mesh.StartServer(ctx); err != nil {
		return err
	}
	out.line("the control plane is up: process %d, %s", w.mesh.ServerPID(), w.mesh.ConfigDir())
	if w.relay, err = relay.Listen(ctx, relayAddress, xdsAddress); err != nil {
		return err
	}
	began := time.Now()
	if err := w.startAll(ctx, frontend, cart1, cart2, catalog); err != nil {
		return err
	}
	out.line("4 programs and their sidecars are up after %s", time.Since(began).Round(time.Millisecond))
	w.first, err = w.quiet(ctx)
	return err
}

// addresses are all that have to be free.
func addresses() []string {
	list := []string{relayAddress, xdsAddress, metricsAddress, payments.sidecar(), "127.40.0.10:18101", "127.40.0.10:18102", "127.40.0.10:18103"}
	for _, i := range []instance{frontend, cart1, cart2, cart3, catalog} {
		list = append(list, i.application(), i.sidecar())
	}
	return list
}

// outrigger is the binary that `make build` built, beside this one.
func outrigger() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	binary := filepath.Join(filepath.Dir(self), "outrigger")
	if _, err := os.Stat(binary); err != nil {
		return "", fmt.Errorf("%w: run `make demo`, which builds it", err)
	}
	return binary, nil
}

// copyMesh writes the folder that the mesh begins with.
func (w *world) copyMesh() error {
	entries, err := files.ReadDir("mesh")
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if err := w.write(entry.Name(), path.Join("mesh", entry.Name())); err != nil {
			return err
		}
	}
	return nil
}

// write puts an embedded file into the mesh's folder under a name.
func (w *world) write(name, from string) error {
	text, err := files.ReadFile(from)
	if err != nil {
		return err
	}
	return w.mesh.Write(name, string(text))
}

// startAll starts programs and their sidecars, all at once, and waits until they are ready.
func (w *world) startAll(ctx context.Context, list ...instance) error {
	for _, i := range list {
		if err := w.start(ctx, i); err != nil {
			return err
		}
	}
	for _, i := range list {
		ready, cancel := context.WithTimeout(ctx, 20*time.Second)
		err := w.sidecars[i.name].WaitReady(ready)
		cancel()
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *world) start(ctx context.Context, i instance) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	args := append([]string{"app"}, i.args...)
	args = append(args, "-listen", i.application(), "-instance", i.name)
	// Programs end in tearDown, in order, and not with ctx.
	program, err := process.Start(context.WithoutCancel(ctx), process.Config{
		Path: self, Args: args, Log: filepath.Join(w.mesh.Dir(), i.name+".log"),
	})
	if err != nil {
		return err
	}
	w.programs[i.name] = program
	sidecar, err := w.mesh.Sidecar(context.WithoutCancel(ctx), mesh.SidecarConfig{
		Namespace: namespace, Workload: i.name, ServiceAccount: i.account, Server: relayAddress,
	})
	if err != nil {
		return err
	}
	w.sidecars[i.name] = sidecar
	return nil
}

// stop ends a program and its sidecar: first who is called, then who calls.
func (w *world) stop(i instance) error {
	err := errors.Join(w.sidecars[i.name].Stop(), w.programs[i.name].Stop())
	delete(w.programs, i.name)
	return err
}

// tearDown ends everything that was started.
func (w *world) tearDown() error {
	var errs []error
	if w.mesh != nil {
		errs = append(errs, w.mesh.Close())
	}
	for _, program := range w.programs {
		errs = append(errs, program.Stop())
	}
	if w.relay != nil {
		errs = append(errs, w.relay.Close())
	}
	if w.thief != nil {
		errs = append(errs, w.thief.Close())
	}
	return errors.Join(errs...)
}
