// Command outrigger-node is what runs beside pods on a node: capture sets the rules that bring a
// pod's connections to its proxy.
//
// It may import deploy and what commands share. It holds no authority and no xDS code, so that what runs
// with rights on every node is small.
package main

import (
	"os"

	"github.com/spf13/cobra"

	"outrigger.dev/outrigger/cmd/internal/cli"
)

// version is set by the linker.
var version string

func main() {
	os.Exit(cli.Execute(newRoot(), os.Args[1:], cli.Standard()))
}

const rootLong = `What runs beside the pods of a mesh. For the mesh itself see outrigger.

What a program may read goes to standard output, all else to standard error.
Exit codes: 0 done, 1 failed, 2 wrong usage.`

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "outrigger-node",
		Short:         "What runs beside the pods of a mesh",
		Long:          rootLong,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cli.UnknownCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.AddCommand(newCapture(), cli.NewVersion("outrigger-node", version))
	return root
}
