package main

import (
	"context"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"outrigger.dev/outrigger/cmd/internal/cli"
	"outrigger.dev/outrigger/xds/debug"
	"outrigger.dev/outrigger/xds/replica"
)

const proxiesLong = `List every workload with a sidecar and the state of its proxy:
  synced   it acknowledged everything that it is to have
  behind   something newer was published than what it acknowledged
  refused  it refused something that it was sent; "outrigger proxy NAME" says what
  away     it has no open stream
  unknown  it had one at a replica that does not answer now, and has none elsewhere

The answer comes from a running server, over a socket in the data folder. It tells
for all replicas; one that does not answer is named on standard error.`

type proxiesFlags struct {
	dataDir, namespace string
	watch              bool
	out                *cli.Output
}

func newProxies() *cobra.Command {
	f := &proxiesFlags{}
	cmd := &cobra.Command{
		Use:   "proxies --data-dir DIR",
		Short: "List the proxies and how far each one is",
		Long:  proxiesLong,
		Example: `  outrigger proxies --data-dir data/
  outrigger proxies --data-dir data/ -n shop --watch
  outrigger proxies --data-dir data/ -o json`,
		Args:              cli.Arguments(),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	dataDirFlag(cmd, &f.dataDir, "data folder of the running server")
	cmd.Flags().StringVarP(&f.namespace, "namespace", "n", "", "list one namespace only")
	cmd.Flags().BoolVarP(&f.watch, "watch", "w", false, "print the list again whenever it changes")
	f.out = cli.OutputFlag(cmd, cli.FormatTable, cli.FormatJSON, cli.FormatYAML, cli.FormatName)
	return cmd
}

func (f *proxiesFlags) run(cmd *cobra.Command) error {
	if err := f.out.Check(cmd); err != nil {
		return err
	}
	if err := needDataDir(cmd, f.dataDir); err != nil {
		return err
	}
	var last *replica.Proxies
	return follow(cmd.Context(), f.watch, func() error {
		all, err := f.ask(cmd.Context())
		if err != nil || (last != nil && reflect.DeepEqual(all, *last)) {
			return err
		}
		last = &all
		if err := f.print(cmd.OutOrStdout(), all); err != nil {
			return err
		}
		return printReplicas(cmd.ErrOrStderr(), all.Replicas, time.Now())
	})
}

func (f *proxiesFlags) ask(ctx context.Context) (replica.Proxies, error) {
	all, err := ask(ctx, f.dataDir, func(ctx context.Context, c *replica.Client) (replica.Proxies, error) {
		return c.Proxies(ctx)
	})
	if err == nil && f.namespace != "" {
		all.Proxies = slices.DeleteFunc(all.Proxies, func(p debug.Proxy) bool { return p.Namespace() != f.namespace })
	}
	return all, err
}

func (f *proxiesFlags) print(w io.Writer, all replica.Proxies) error {
	return f.out.Write(w, all, func(w io.Writer) error {
		if f.out.Format == cli.FormatName {
			return printNames(w, all.Proxies)
		}
		return cli.Table(w, proxyRows(all, time.Now()))
	})
}

// printReplicas says what is not as it should be with replicas.
func printReplicas(w io.Writer, replicas []replica.Status, now time.Time) error {
	for _, r := range replicas {
		if r.State != replica.StateUp {
			if _, err := fmt.Fprintf(w, "warning: replica %s is %s, known for %s: %s\n", r.Name, r.State, short(now.Sub(r.Since)), r.Error); err != nil {
				return err
			}
		}
		for _, difference := range r.Differs {
			if _, err := fmt.Fprintf(w, "warning: replica %s has another %s\n", r.Name, difference); err != nil {
				return err
			}
		}
	}
	return nil
}

func printNames(w io.Writer, proxies []debug.Proxy) error {
	for _, p := range proxies {
		if _, err := fmt.Fprintln(w, p.Name); err != nil {
			return err
		}
	}
	return nil
}

// proxyRows is the table of proxies; with several replicas it says where each one is.
func proxyRows(all replica.Proxies, now time.Time) [][]string {
	rows := [][]string{{"NAME", "STATE", "PENDING", "REFUSED", "CERTIFICATE", "PROXY", "CONNECTED"}}
	several := len(all.Replicas) > 1
	if several {
		rows[0] = append(rows[0], "REPLICA")
	}
	for _, p := range all.Proxies {
		row := []string{p.Name, p.State, "-", "-", "-", "-", "-"}
		if s := p.Stream(); s != nil {
			row[2], row[3] = strconv.Itoa(p.Pending()), strconv.Itoa(p.Refused())
			row[5], row[6] = orDash(cli.Plain(s.Agent)), short(now.Sub(s.Since))
		}
		if !p.CertificateExpires.IsZero() {
			row[4] = short(p.CertificateExpires.Sub(now))
		}
		if s := p.Stream(); several {
			row = append(row, "-")
			if s != nil {
				row[7] = orDash(s.Replica)
			}
		}
		rows = append(rows, row)
	}
	return rows
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
