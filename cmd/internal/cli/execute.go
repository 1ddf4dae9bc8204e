package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Streams are the standard streams of a command.
type Streams struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer
}

// Standard are those of the process.
func Standard() Streams { return Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr} }

// The exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
	// exitInterrupted is the code of a command that a second signal ended.
	exitInterrupted = 130
)

// Execute runs one command and returns the exit code. The first SIGINT or
// SIGTERM ends the context of the command, the second one the process.
func Execute(root *cobra.Command, args []string, std Streams) int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	// Both signals are taken by one receiver, so that a second one cannot get lost behind the first.
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	over := make(chan struct{})
	defer close(over)
	defer signal.Stop(signals)
	go obey(signals, over, cancel)

	root.SetIn(std.In)
	root.SetOut(std.Out)
	root.SetErr(std.Err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &usageError{err: err, command: cmd.CommandPath()}
	})
	root.SetArgs(args)
	return report(std.Err, root.ExecuteContext(ctx))
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

// UnknownCommand refuses the name of a command that does not exist.
func UnknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := Usagef(cmd, "there is no command %q", args[0])
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return Hint(err, "did you mean %s?", fmt.Sprintf("%s %s", cmd.CommandPath(), near[0]))
	}
	return err
}
