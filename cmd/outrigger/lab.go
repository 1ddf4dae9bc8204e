//go:build linux

package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/spf13/cobra"

	"outrigger.dev/outrigger/cmd/internal/cli"
	"outrigger.dev/outrigger/cmd/outrigger/internal/lab"
)

const labLong = `Run a captured mesh on this machine: a node with the control plane, and pods with
small programs, each with an Envoy of its own. Nothing of the pods' traffic knows
of the mesh: nftables rules bring it to the Envoys, as in a cluster.

Each pod is a network namespace without a name. The lab's network is cut off from
the machine's own, which stays as it is, and all of it is gone when the command
ends. It stays up until then, and prints what to try.

It needs Linux, root, and an Envoy: the one of --envoy, of $OUTRIGGER_ENVOY, or
envoy in the PATH.`

const labShellLong = `Become a shell, or another command, in a pod of the lab. The names of pods and
services are known there, and OUTRIGGER_DATA_DIR is the lab's data folder.

Root's connections are captured as those of any other user. With --user 1337 the
command passes by the proxy, as the proxy itself does.`

// envEnvoy names an Envoy where no flag does.
const envEnvoy = "OUTRIGGER_ENVOY"

func newLab() *cobra.Command {
	c := lab.Config{}
	cmd := &cobra.Command{
		Use:   "lab",
		Short: "Run a captured mesh on this machine, with a shell in each pod",
		Long:  labLong,
		Example: `  sudo outrigger lab --envoy .cache/envoy/1.40.0/envoy
  sudo outrigger lab shell frontend-1
  sudo outrigger lab shell frontend-1 -- curl -s http://cart/`,
		Args:              cli.UnknownCommand,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return runLab(cmd, c) },
	}
	cmd.Flags().StringVar(&c.Envoy, "envoy", "", "Envoy binary that every user may run (default: $"+envEnvoy+", else envoy in the PATH)")
	cmd.PersistentFlags().StringVar(&c.Dir, "dir", lab.DefaultDir, "folder of the lab, removed at its end")
	// The flags were just added, so that these cannot fail.
	_ = cmd.MarkFlagFilename("envoy")
	_ = cmd.MarkPersistentFlagDirname("dir")
	cmd.AddCommand(newLabShell(&c.Dir), newLabProgram())
	return cmd
}

func runLab(cmd *cobra.Command, c lab.Config) error {
	c.Command, c.Out, c.Progress = os.Args[0], cmd.OutOrStdout(), cmd.ErrOrStderr()
	var err error
	if c.Envoy, err = findEnvoy(c.Envoy); err != nil {
		return cli.Hint(err, "make envoy, then %s --envoy .cache/envoy/1.40.0/envoy", cmd.CommandPath())
	}
	return needRoot(cmd, lab.Run(cmd.Context(), c))
}

// findEnvoy returns the absolute path of the Envoy to run.
func findEnvoy(flag string) (string, error) {
	if flag == "" {
		flag = os.Getenv(envEnvoy)
	}
	if flag == "" {
		flag = "envoy"
	}
	path, err := exec.LookPath(flag)
	if err != nil {
		return "", err
	}
	return filepath.Abs(path)
}

// needRoot says how to get the rights that are missing.
func needRoot(cmd *cobra.Command, err error) error {
	if errors.Is(err, lab.ErrNoRoot) {
		return cli.Hint(err, "sudo %s", cmd.CommandPath())
	}
	if errors.Is(err, lab.ErrNotRunning) {
		return cli.Hint(err, "sudo outrigger lab, in another terminal")
	}
	return err
}

func newLabShell(dir *string) *cobra.Command {
	c := lab.ShellConfig{}
	cmd := &cobra.Command{
		Use:   "shell POD [-- COMMAND...]",
		Short: "Become a shell, or a command, in a pod of the lab",
		Long:  labShellLong,
		Example: `  sudo outrigger lab shell frontend-1
  sudo outrigger lab shell frontend-1 -- curl -s http://cart/
  sudo outrigger lab shell --user 1337 frontend-1 -- curl -s http://cart-1:8080/`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cli.Usagef(cmd, "POD is missing")
			}
			if len(args) > 1 && cmd.ArgsLenAtDash() != 1 {
				return cli.Usagef(cmd, "unexpected argument %q: a command comes after --", args[1])
			}
			c.Dir, c.Pod, c.Command = *dir, args[0], args[1:]
			return needRoot(cmd, lab.Shell(c))
		},
	}
	cmd.Flags().IntVar(&c.User, "user", 0, "id of the user to become")
	return cmd
}

// newLabProgram is what the lab runs in its pods.
func newLabProgram() *cobra.Command {
	return &cobra.Command{
		Use:    "program NAME KIND ADDRESS [URL...]",
		Hidden: true,
		Args:   cobra.MinimumNArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error {
			return lab.Program(cmd.Context(), args[0], args[1:])
		},
	}
}
