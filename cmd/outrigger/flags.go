package main

import (
	"errors"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"outrigger.dev/outrigger/certs"
	"outrigger.dev/outrigger/cmd/internal/cli"
)

// envDataDir names the data folder where no flag does.
const envDataDir = "OUTRIGGER_DATA_DIR"

const defaultTrustDomain = "cluster.local"

// dataDirFlag adds --data-dir.
func dataDirFlag(cmd *cobra.Command, dir *string, usage string) {
	cmd.Flags().StringVar(dir, "data-dir", os.Getenv(envDataDir), usage+" (default: $"+envDataDir+")")
	// The environment of whoever prints the help is no default of ours.
	cmd.Flags().Lookup("data-dir").DefValue = ""
	// The flag was just added, so that this cannot fail.
	_ = cmd.MarkFlagDirname("data-dir")
}

func needDataDir(cmd *cobra.Command, dir string) error {
	if dir != "" {
		return nil
	}
	return cli.Usagef(cmd, "no data folder: give --data-dir DIR or set %s", envDataDir)
}

// workloadFlags are who a workload is.
type workloadFlags struct {
	namespace, serviceAccount, workload string
}

func (f *workloadFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&f.namespace, "namespace", "n", "default", "namespace of the workload")
	cmd.Flags().StringVar(&f.serviceAccount, "service-account", "default", "service account of the workload")
	cmd.Flags().StringVar(&f.workload, "workload", "", "name of the Workload object")
}

func (f *workloadFlags) check(cmd *cobra.Command) error {
	if f.workload == "" {
		return cli.Usagef(cmd, "no workload: give --workload NAME, the name of its Workload object")
	}
	return nil
}

// trustDomainOf returns the trust domain that a flag names, else the one of the data folder.
func trustDomainOf(dataDir, flag string) (string, error) {
	if flag != "" {
		return flag, nil
	}
	_, domain, err := certs.ReadRoots(dataDir)
	if errors.Is(err, fs.ErrNotExist) {
		return "", cli.Hint(err, "outrigger server --data-dir %s ..., or give --trust-domain", dataDir)
	}
	return domain, err
}

// quoteArg makes a text fit for a command that is shown.
func quoteArg(s string) string {
	if s != "" && !strings.ContainsAny(s, " \t\n\"'\\$&;|<>()*?#~`") {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
