package main

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"outrigger.dev/outrigger/cmd/internal/cli"
	"outrigger.dev/outrigger/cmd/outrigger/internal/problems"
	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/discovery/file"
	"outrigger.dev/outrigger/policy"
	"outrigger.dev/outrigger/policy/compile"
	"outrigger.dev/outrigger/xds/build"
	"outrigger.dev/outrigger/xds/debug"
)

const validateLong = `Read a folder as the server would, make everything that proxies would get, and
print every problem as FILE:LINE: SEVERITY: OBJECT: FIELD: what is wrong.

It needs no server. It exits with 1 when there is an error; warnings alone, such
as a selector that matches nothing, exit with 0.`

// findings is what validate found.
type findings struct {
	Folder    string          `json:"folder"`
	Services  int             `json:"services"`
	Workloads int             `json:"workloads"`
	Policies  int             `json:"policies"`
	Errors    int             `json:"errors"`
	Warnings  int             `json:"warnings"`
	Problems  []debug.Problem `json:"problems"`
}

func newValidate() *cobra.Command {
	trustDomain := ""
	cmd := &cobra.Command{
		Use:   "validate DIR",
		Short: "Check a folder of YAML without a server",
		Long:  validateLong,
		Example: `  outrigger validate mesh/
  outrigger validate mesh/ -o json`,
		Args: cli.Arguments("the folder to validate"),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
	}
	cmd.Flags().StringVar(&trustDomain, "trust-domain", defaultTrustDomain, "trust domain of the mesh")
	out := cli.OutputFlag(cmd, cli.FormatTable, cli.FormatJSON, cli.FormatYAML)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := out.Check(cmd); err != nil {
			return err
		}
		found, err := validate(args[0], trustDomain)
		if err != nil {
			return err
		}
		err = out.Write(cmd.OutOrStdout(), found, func(w io.Writer) error { return printProblems(w, found.Problems) })
		if err != nil {
			return err
		}
		fmt.Fprintln(cmd.ErrOrStderr(), found.summary())
		if found.Errors > 0 {
			return cli.ErrSilent
		}
		return nil
	}
	return cmd
}

// validate takes a folder through the same stages as the server.
func validate(dir, trustDomain string) (findings, error) {
	update, list, err := file.Load(dir)
	if err != nil {
		return findings{}, err
	}
	compiler, err := compile.New(compile.Config{TrustDomain: trustDomain})
	if err != nil {
		return findings{}, err
	}
	rules, wrong := compiler.Apply(compile.Objects(update.Policies))
	for _, more := range wrong {
		list = append(list, more...)
	}
	changes := build.New(build.Config{TrustDomain: trustDomain}).Apply(build.Batch{
		Updates: []discovery.Update{update.Update}, Rules: []policy.Update{rules},
	})
	for _, more := range changes.Problems {
		list = append(list, more...)
	}
	places := problems.NewPlaces()
	places.Note(update.Policies.Locations)
	found := count(dir, places.Fill(list))
	if found.Errors == 0 && update.Trouble != nil {
		return findings{}, update.Trouble
	}
	found.Services, found.Workloads = len(update.Services), len(update.Workloads)
	found.Policies = len(update.Policies.MeshConfigs) + len(update.Policies.ProxyConfigs) + len(update.Policies.AuthenticationPolicies)
	return found, nil
}

// count sorts problems and gives their places as paths that a user can open.
func count(dir string, list []discovery.Problem) findings {
	found := findings{Folder: dir}
	for i := range list {
		if list[i].Location != "" {
			list[i].Location = filepath.Join(dir, list[i].Location)
		}
		if list[i].Warning {
			found.Warnings++
		} else {
			found.Errors++
		}
	}
	problems.Sort(list)
	found.Problems = problems.ForDebug(list)
	return found
}

func printProblems(w io.Writer, list []debug.Problem) error {
	for _, p := range list {
		if _, err := fmt.Fprintln(w, p.String()); err != nil {
			return err
		}
	}
	return nil
}

// summary is the last line that the user sees.
func (f *findings) summary() string {
	text := fmt.Sprintf("%s: %s, %s, %s; ", f.Folder,
		plural(f.Services, "service"), plural(f.Workloads, "workload"), plural(f.Policies, "policy"))
	if f.Errors+f.Warnings == 0 {
		return text + "no problems"
	}
	return text + plural(f.Errors, "error") + ", " + plural(f.Warnings, "warning")
}

func plural(n int, noun string) string {
	switch {
	case n == 1:
		return "1 " + noun
	case strings.HasSuffix(noun, "y"):
		return fmt.Sprintf("%d %sies", n, strings.TrimSuffix(noun, "y"))
	default:
		return fmt.Sprintf("%d %ss", n, noun)
	}
}
