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

// execute runs one command and returns the exit code. The first SIGINT or
// SIGTERM ends the context of the command, the second one the process.
func execute(args []string, std streams) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	defer context.AfterFunc(ctx, stop)()

	root := newRoot(std)
	root.SetArgs(args)
	return report(std.err, root.ExecuteContext(ctx))
}
