// Command outrigger is the mesh's one static binary: the control plane
// (server), what a workload needs to join (token, bootstrap), and what users
// ask of it (validate, proxies, proxy, version).
//
// It may import everything of Outrigger's; it holds flags, help, output and
// wiring only. Machine-readable output goes to standard output, logs and
// progress to standard error. It never downloads anything and never opens a
// port that no flag names.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// version is set by the linker.
var version string

func main() {
	os.Exit(execute(os.Args[1:], streams{in: os.Stdin, out: os.Stdout, err: os.Stderr}))
}

// streams are the standard streams of a command.
type streams struct {
	in  io.Reader
	out io.Writer
	err io.Writer
}

// exitInterrupted is the code of a command that a second signal ended.
const exitInterrupted = 130

// execute runs one command and returns the exit code. The first SIGINT or
// SIGTERM ends the context of the command, the second one the process.
func execute(args []string, std streams) int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	// Both signals are taken by one receiver, so that a second one cannot get lost behind the first.
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	over := make(chan struct{})
	defer close(over)
	defer signal.Stop(signals)
	go obey(signals, over, cancel)

	root := newRoot(std)
	root.SetArgs(args)
	return report(std.err, root.ExecuteContext(ctx))
}

// obey ends the command at the first signal and the process at the second, until the command is over.
func obey(signals <-chan os.Signal, over <-chan struct{}, cancel context.CancelFunc) {
	for _, end := range []func(){cancel, func() { os.Exit(exitInterrupted) }} {
		select {
		case <-signals:
			end()
		case <-over:
			return
		}
	}
}
