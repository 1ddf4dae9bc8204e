package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

const rootLong = `Outrigger is a service mesh for unmodified Envoys: a control plane that reads a
mesh, issues mTLS identities and streams configuration to every sidecar.

To begin, with a folder of YAML:
  outrigger validate mesh/
  outrigger server --config-dir mesh/ --data-dir data/
  outrigger bootstrap --data-dir data/ --workload web-1 --service-account web \
    --server 127.0.0.1:15010 --out web-1/
  envoy -c web-1/bootstrap.yaml
  outrigger proxies --data-dir data/

What a program may read goes to standard output, logs and progress to standard
error. Exit codes: 0 done, 1 failed, 2 wrong usage.`

func newRoot(std streams) *cobra.Command {
	root := &cobra.Command{
		Use:           "outrigger",
		Short:         "A service mesh for unmodified Envoys",
		Long:          rootLong,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          unknownCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(std.in)
	root.SetOut(std.out)
	root.SetErr(std.err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &usageError{err: err, command: cmd.CommandPath()}
	})
	root.AddCommand(
		newServer(), newToken(), newBootstrap(), newValidate(), newProxies(), newProxy(), newVersion(),
	)
	return root
}

// unknownCommand refuses the name of a command that does not exist.
func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := usagef(cmd, "there is no command %q", args[0])
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return hint(err, "did you mean %s?", fmt.Sprintf("%s %s", cmd.CommandPath(), near[0]))
	}
	return err
}
