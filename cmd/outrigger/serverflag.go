package main

import (
	"strings"

	"github.com/spf13/cobra"

	"outrigger.dev/outrigger/xds/bootstrap"
)

// serverFlag is --server: given again, or with commas, it names further replicas.
type serverFlag struct {
	config *bootstrap.Config
	given  bool
}

// addServerFlag adds --server.
func addServerFlag(cmd *cobra.Command, config *bootstrap.Config) {
	config.Server = "127.0.0.1:15010"
	cmd.Flags().Var(&serverFlag{config: config}, "server", "address of the server, HOST:PORT (repeatable, for several replicas)")
}

// Set takes in one address or several.
func (f *serverFlag) Set(text string) error {
	servers := strings.Split(text, ",")
	if !f.given {
		f.given, f.config.Server, servers = true, servers[0], servers[1:]
	}
	f.config.Further = append(f.config.Further, servers...)
	return nil
}

// String returns all addresses.
func (f *serverFlag) String() string {
	if f.config == nil {
		return ""
	}
	return strings.Join(append([]string{f.config.Server}, f.config.Further...), ",")
}

// Type is what the help calls the value.
func (f *serverFlag) Type() string { return "strings" }
