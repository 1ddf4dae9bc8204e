//go:build !linux

package main

import (
	"errors"

	"github.com/spf13/cobra"
)

func newLab() *cobra.Command {
	return &cobra.Command{
		Use:   "lab",
		Short: "Run a captured mesh on this machine (Linux only)",
		RunE: func(*cobra.Command, []string) error {
			return errors.New("a lab is made of network namespaces: run it on Linux")
		},
	}
}
