package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"outrigger.dev/outrigger/cmd/internal/cli"
	"outrigger.dev/outrigger/xds/debug"
	"outrigger.dev/outrigger/xds/replica"
)

const sourcesLong = `List what the mesh is made of, and how it is:
  synced   the source has told its whole state, and is heard in good order
  waiting  it has not told its whole state; nothing is served before it has
  trouble  it cannot be asked, or is not to be believed: its last good state is in use
  held     it is heard again, and what is missing in masses waits to be confirmed

HELD counts the endpoints that are served although the source says that they
are gone. -o json says of which services, why and since when.

The answer comes from a running server, over a socket in the data folder.`

type sourcesFlags struct {
	dataDir string
	out     *cli.Output
}

// sourcesFound is what is printed.
type sourcesFound struct {
	Sources []debug.Source `json:"sources"`
}

func newSources() *cobra.Command {
	f := &sourcesFlags{}
	cmd := &cobra.Command{
		Use:   "sources --data-dir DIR",
		Short: "List what the mesh is read from, and what is held",
		Long:  sourcesLong,
		Example: `  outrigger sources --data-dir data/
  outrigger sources --data-dir data/ -o json`,
		Args:              cli.Arguments(),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	dataDirFlag(cmd, &f.dataDir, "data folder of the running server")
	f.out = cli.OutputFlag(cmd, cli.FormatTable, cli.FormatJSON, cli.FormatYAML)
	return cmd
}

func (f *sourcesFlags) run(cmd *cobra.Command) error {
	if err := f.out.Check(cmd); err != nil {
		return err
	}
	if err := needDataDir(cmd, f.dataDir); err != nil {
		return err
	}
	sources, err := ask(cmd.Context(), f.dataDir, func(ctx context.Context, c *replica.Client) ([]debug.Source, error) {
		return c.Sources(ctx)
	})
	if err != nil {
		return err
	}
	return f.out.Write(cmd.OutOrStdout(), sourcesFound{Sources: sources}, func(w io.Writer) error {
		return printSources(w, sources, time.Now())
	})
}

func printSources(w io.Writer, sources []debug.Source, now time.Time) error {
	rows := [][]string{{"SOURCE", "STATE", "READ", "ENDPOINTS", "HELD", "SINCE"}}
	for _, s := range sources {
		row := []string{s.Name, stateOf(s), "-", "-", "-", "-"}
		if s.Watching != nil && !s.Watching.ReadAt.IsZero() {
			row[2] = short(now.Sub(s.Watching.ReadAt))
		}
		if s.Held != nil {
			row[3], row[4] = fmt.Sprint(s.Held.Total), fmt.Sprint(s.Held.Endpoints)
		}
		if since := sinceOf(s); !since.IsZero() {
			row[5] = short(now.Sub(since))
		}
		rows = append(rows, row)
	}
	if err := cli.Table(w, rows); err != nil {
		return err
	}
	for _, s := range sources {
		if s.Trouble == "" {
			continue
		}
		if _, err := fmt.Fprintf(w, "%s: %s\n", s.Name, cli.Plain(s.Trouble)); err != nil {
			return err
		}
	}
	return nil
}

// stateOf is the word for how a source is.
func stateOf(s debug.Source) string {
	switch {
	case s.Trouble != "":
		return "trouble"
	case !s.Synced:
		return "waiting"
	case s.Held != nil && s.Held.Reason != "":
		return "held"
	default:
		return "synced"
	}
}

// sinceOf is when the trouble began, or what is held was held first.
func sinceOf(s debug.Source) time.Time {
	if s.Troubled.IsZero() && s.Held != nil {
		return s.Held.Since
	}
	return s.Troubled
}
