package cli

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// usageError is a command line that makes no sense.
type usageError struct {
	err     error
	command string
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// hintedError carries what to do next.
type hintedError struct {
	err  error
	next string
}

func (e *hintedError) Error() string { return e.err.Error() }
func (e *hintedError) Unwrap() error { return e.err }

// Hint adds what to do next, which is shown on a line of its own.
func Hint(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &hintedError{err: err, next: fmt.Sprintf(format, args...)}
}

// ErrSilent fails a command that has said everything already.
var ErrSilent = errors.New("failed")

// report prints an error as what, why and what next, and returns the exit code.
func report(w io.Writer, err error) int {
	if err == nil {
		return 0
	}
	usage, isUsage := errors.AsType[*usageError](err)
	if !errors.Is(err, ErrSilent) {
		fmt.Fprintf(w, "error: %v\n", err)
	}
	if hinted, ok := errors.AsType[*hintedError](err); ok {
		fmt.Fprintf(w, "  next: %s\n", hinted.next)
	} else if isUsage {
		fmt.Fprintf(w, "  next: %s --help\n", usage.command)
	}
	if isUsage {
		return exitUsage
	}
	return exitFailed
}

// Usagef returns an error about the command line.
func Usagef(cmd *cobra.Command, format string, args ...any) error {
	return &usageError{err: fmt.Errorf(format, args...), command: cmd.CommandPath()}
}

// Arguments takes exactly the named positional arguments.
func Arguments(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < len(names) {
			return Usagef(cmd, "%s is missing", names[len(args)])
		}
		if len(args) > len(names) {
			return Usagef(cmd, "unexpected argument %q", args[len(names)])
		}
		return nil
	}
}
