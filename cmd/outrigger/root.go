package main

import (
	"github.com/spf13/cobra"

	"outrigger.dev/outrigger/cmd/internal/cli"
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

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "outrigger",
		Short:         "A service mesh for unmodified Envoys",
		Long:          rootLong,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cli.UnknownCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.AddCommand(
		newServer(), newToken(), newBootstrap(), newCertificate(), newValidate(), newProxies(), newProxy(), newWait(), newSources(), newLab(), cli.NewVersion("outrigger", version),
	)
	return root
}
