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

	"outrigger.dev/outrigger/xds/debug"
)

const proxiesLong = `List every workload with a sidecar and the state of its proxy:
  synced   it acknowledged everything that it is to have
  behind   something newer was published than what it acknowledged
  refused  it refused something that it was sent; "outrigger proxy NAME" says what
  away     it has no open stream

The answer comes from the running server, over the socket in its data folder.`

type proxiesFlags struct {
	dataDir, namespace string
	watch              bool
	out                *output
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
		Args:              arguments(),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	dataDirFlag(cmd, &f.dataDir, "data folder of the running server")
	cmd.Flags().StringVarP(&f.namespace, "namespace", "n", "", "list one namespace only")
	cmd.Flags().BoolVarP(&f.watch, "watch", "w", false, "print the list again whenever it changes")
	f.out = outputFlag(cmd, formatTable, formatJSON, formatYAML, formatName)
	return cmd
}

func (f *proxiesFlags) run(cmd *cobra.Command) error {
	if err := f.out.check(cmd); err != nil {
		return err
	}
	if err := needDataDir(cmd, f.dataDir); err != nil {
		return err
	}
	var last []debug.Proxy
	return follow(cmd.Context(), f.watch, func() error {
		proxies, err := f.ask(cmd.Context())
		if err != nil || (last != nil && reflect.DeepEqual(proxies, last)) {
			return err
		}
		last = proxies
		return f.print(cmd.OutOrStdout(), proxies)
	})
}

func (f *proxiesFlags) ask(ctx context.Context) ([]debug.Proxy, error) {
	proxies, err := ask(ctx, f.dataDir, func(ctx context.Context, c *debug.Client) ([]debug.Proxy, error) {
		return c.Proxies(ctx)
	})
	if err != nil || f.namespace == "" {
		return proxies, err
	}
	return slices.DeleteFunc(proxies, func(p debug.Proxy) bool { return p.Namespace() != f.namespace }), nil
}

func (f *proxiesFlags) print(w io.Writer, proxies []debug.Proxy) error {
	return f.out.write(w, debug.Proxies{Proxies: proxies}, func(w io.Writer) error {
		if f.out.format == formatName {
			return printNames(w, proxies)
		}
		return table(w, proxyRows(proxies, time.Now()))
	})
}

func printNames(w io.Writer, proxies []debug.Proxy) error {
	for _, p := range proxies {
		if _, err := fmt.Fprintln(w, p.Name); err != nil {
			return err
		}
	}
	return nil
}

func proxyRows(proxies []debug.Proxy, now time.Time) [][]string {
	rows := [][]string{{"NAME", "STATE", "PENDING", "REFUSED", "CERTIFICATE", "PROXY", "CONNECTED"}}
	for _, p := range proxies {
		row := []string{p.Name, p.State, "-", "-", "-", "-", "-"}
		if s := p.Stream(); s != nil {
			row[2], row[3] = strconv.Itoa(p.Pending()), strconv.Itoa(p.Refused())
			row[5], row[6] = orDash(plain(s.Agent)), short(now.Sub(s.Since))
		}
		if !p.CertificateExpires.IsZero() {
			row[4] = short(p.CertificateExpires.Sub(now))
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
