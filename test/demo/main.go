// Command demo runs a small mesh on this machine, without root, and tells what
// happens in it step by step. It checks everything that it tells: it ends with
// status 1, and says where the logs are, when something was not as it should be.
//
// It may import the helpers under test only: it uses the product by its binary,
// as a user does. Everything is written into a temporary folder, and every
// process is ended by its pid. With KEEP=1 in the environment it stays up after
// the last step and prints what to try.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"outrigger.dev/outrigger/test/apps"
	"outrigger.dev/outrigger/test/mesh"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		stop()
		os.Exit(1)
	}
}

// run is the demo, or one of its programs: the demo starts itself as `demo app
// cart ...` to have them in processes of their own.
func run(ctx context.Context, args []string) error {
	if len(args) > 0 && args[0] == "app" {
		return apps.Main(ctx, args[1:])
	}
	if len(args) > 0 {
		return fmt.Errorf("unknown argument %q: it takes none", args[0])
	}
	if err := mesh.CheckFree(ctx, addresses()...); err != nil {
		return fmt.Errorf("%w (is another demo running?)", err)
	}
	dir, err := os.MkdirTemp("", "outrigger-demo-")
	if err != nil {
		return err
	}
	d := &demo{dir: dir, keep: os.Getenv("KEEP") != "", out: &teller{to: os.Stdout}}
	err = d.run(ctx)
	switch {
	case err == nil:
		return os.RemoveAll(dir)
	case ctx.Err() != nil:
		return errors.Join(errors.New("interrupted before its end"), os.RemoveAll(dir))
	default:
		return fmt.Errorf("%w\nthe logs are in %s", err, dir)
	}
}

// demo is the state of a run.
type demo struct {
	dir  string
	keep bool
	out  *teller
	world
}

// run sets the mesh up, tells the story, and ends whatever was started.
func (d *demo) run(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, d.tearDown()) }()
	if err := d.tell(ctx); err != nil {
		return err
	}
	if d.keep {
		return d.stay(ctx)
	}
	return nil
}

func (d *demo) tell(ctx context.Context) error {
	d.out.line("A mesh without root, in %s", d.dir)
	if err := d.setUp(ctx, d.dir, d.out); err != nil {
		return err
	}
	for i, step := range d.steps() {
		if err := d.out.step(i+1, step.title, func() (string, error) { return step.run(ctx) }); err != nil {
			return err
		}
	}
	d.out.table()
	return nil
}

// step is one part of the story.
type step struct {
	title string
	// run does and checks it, and returns what was seen for the table.
	run func(context.Context) (string, error)
}

func (d *demo) steps() []step {
	return []step{
		{"calls through both sidecars, HTTP and gRPC", d.calls},
		{"load is spread over two carts", d.spread},
		{"a third cart is added by writing a file", d.add},
		{"a cart is removed under load", d.remove},
		{"strict mode refuses who cannot prove a name of the mesh", d.strict},
		{"a client refuses a server with another name", d.impostor},
		{"the control plane is killed (-9) and started again under load", d.crash},
		{"certificates are renewed under load", d.renew},
		{"a bad file is refused, the last good content is kept", d.badFile},
	}
}
