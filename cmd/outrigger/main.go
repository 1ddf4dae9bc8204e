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
	"os"

	"outrigger.dev/outrigger/cmd/internal/cli"
)

// version is set by the linker.
var version string

func main() {
	os.Exit(cli.Execute(newRoot(), os.Args[1:], cli.Standard()))
}
