package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"outrigger.dev/outrigger/cmd/internal/cli"
	"outrigger.dev/outrigger/xds/debug"
	"outrigger.dev/outrigger/xds/replica"
	"outrigger.dev/outrigger/xds/server"
)

const proxyLong = `Show one proxy: its identity and certificate, how much it has of each type of
resource, what it lags behind, and what it refused, with the object at fault.
Of what it lags behind, the first 20 names of a type are told.
-o json and -o yaml also list every resource of its view, with its version.

NAME is "<namespace>/<workload>", or "<workload>" of the namespace of -n.`

type proxyFlags struct {
	dataDir, namespace string
	watch              bool
	out                *cli.Output
}

func newProxy() *cobra.Command {
	f := &proxyFlags{}
	cmd := &cobra.Command{
		Use:   "proxy NAME --data-dir DIR",
		Short: "Show what one proxy has, lags behind and refused",
		Long:  proxyLong,
		Example: `  outrigger proxy shop/cart-1 --data-dir data/
  outrigger proxy cart-1 -n shop --data-dir data/ -o json`,
		Args:              cli.Arguments("the NAME of a proxy"),
		ValidArgsFunction: completeProxies(&f.dataDir),
		RunE:              func(cmd *cobra.Command, args []string) error { return f.run(cmd, args[0]) },
	}
	dataDirFlag(cmd, &f.dataDir, "data folder of the running server")
	cmd.Flags().StringVarP(&f.namespace, "namespace", "n", "default", "namespace of a NAME that has none")
	cmd.Flags().BoolVarP(&f.watch, "watch", "w", false, "print it again whenever it changes")
	f.out = cli.OutputFlag(cmd, cli.FormatTable, cli.FormatJSON, cli.FormatYAML)
	return cmd
}

func (f *proxyFlags) run(cmd *cobra.Command, name string) error {
	if err := f.out.Check(cmd); err != nil {
		return err
	}
	if err := needDataDir(cmd, f.dataDir); err != nil {
		return err
	}
	name = nodeName(f.namespace, name)
	var last *debug.Proxy
	return follow(cmd.Context(), f.watch, func() error {
		proxy, err := ask(cmd.Context(), f.dataDir, func(ctx context.Context, c *replica.Client) (debug.Proxy, error) {
			return c.Proxy(ctx, name)
		})
		if errors.Is(err, debug.ErrNotFound) {
			return cli.Hint(err, "outrigger proxies --data-dir %s", quoteArg(f.dataDir))
		}
		if err != nil || (last != nil && reflect.DeepEqual(proxy, *last)) {
			return err
		}
		last = &proxy
		return f.out.Write(cmd.OutOrStdout(), proxy, func(w io.Writer) error { return printProxy(w, proxy, time.Now()) })
	})
}

func printProxy(w io.Writer, p debug.Proxy, now time.Time) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "Name:\t%s\n", p.Name)
	fmt.Fprintf(t, "State:\t%s\n", p.State)
	fmt.Fprintf(t, "Identity:\t%s\n", orDash(p.Identity))
	fmt.Fprintf(t, "Certificate:\t%s\n", certificateText(p.CertificateExpires, now))
	fmt.Fprintf(t, "Scope:\t%s\n", scopeText(p.Scope))
	for _, s := range p.Streams {
		fmt.Fprintf(t, "Stream:\t%s, open for %s at replica %s, has publication %d of %d there\n",
			cli.Plain(s.Agent), short(now.Sub(s.Since)), s.Replica, s.Settled, s.Latest)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	return printTypes(w, p)
}

func certificateText(end, now time.Time) string {
	if end.IsZero() {
		return "none yet"
	}
	return fmt.Sprintf("ends %s, in %s", end.UTC().Format(time.RFC3339), short(end.Sub(now)))
}

// scopeText spells the key of a scope: "*", or namespaces, "|", services.
func scopeText(key string) string {
	if key == "*" {
		return "all services"
	}
	namespaces, services, _ := strings.Cut(key, "|")
	var parts []string
	for namespace := range strings.SplitSeq(namespaces, ",") {
		if namespace != "" {
			parts = append(parts, namespace+"/*")
		}
	}
	if services != "" {
		parts = append(parts, strings.Split(services, ",")...)
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// printTypes lists counts by type, then the names that need attention.
func printTypes(w io.Writer, p debug.Proxy) error {
	s := p.Stream()
	if s == nil {
		return nil
	}
	published := map[string]int{}
	for _, r := range p.Resources {
		published[r.Type]++
	}
	rows := [][]string{{"TYPE", "PUBLISHED", "SUBSCRIBED", "PENDING", "REFUSED", "WITHHELD", "REMOVING"}}
	for _, t := range s.Types {
		rows = append(rows, []string{
			t.Type, strconv.Itoa(published[t.Type]), subscribed(t), strconv.Itoa(t.Pending),
			strconv.Itoa(len(t.Parked)), strconv.Itoa(len(t.Withheld)), strconv.Itoa(t.Removing),
		})
	}
	fmt.Fprintln(w)
	if err := cli.Table(w, rows); err != nil {
		return err
	}
	for _, t := range s.Types {
		printLagging(w, t)
		printRefused(w, t)
	}
	return nil
}

func subscribed(t server.TypeInfo) string {
	if t.Wildcard {
		return "all"
	}
	return strconv.Itoa(t.Subscribed)
}

// printLagging names what the proxy does not have yet, and why.
func printLagging(w io.Writer, t server.TypeInfo) {
	if len(t.Lagging) == 0 {
		return
	}
	fmt.Fprintf(w, "\nlags behind: %s\n", t.Type)
	for _, l := range t.Lagging {
		why := "waits for what it needs"
		if l.Sent {
			why = "waits for the proxy's answer"
		}
		fmt.Fprintf(w, "  %s: has %s, wants %s, %s\n", cli.Plain(l.Name), orDash(l.Has), orDash(l.Wants), why)
	}
	if more := t.Pending - len(t.Lagging); more > 0 {
		fmt.Fprintf(w, "  and %d more\n", more)
	}
}

func printRefused(w io.Writer, t server.TypeInfo) {
	for _, r := range t.Parked {
		fmt.Fprintf(w, "\nrefused: %s %s\n  version: %s, has %s\n  why:     %s\n  from:    %s\n  next:    %s\n",
			t.Type, r.Name, r.Version, orDash(r.Has), orDash(cli.Plain(r.Error)), orDash(r.Owner), nextOf(r))
	}
	for _, r := range t.Withheld {
		fmt.Fprintf(w, "\nwithheld: %s %s\n  version: %s, has %s\n  why:     it needs what was refused\n  from:    %s\n",
			t.Type, r.Name, r.Version, orDash(r.Has), orDash(r.Owner))
	}
}

// nextOf says what to do about a refusal. Who reads the proxy's words knows which of the two it is.
func nextOf(r server.ParkedInfo) string {
	restart := "when the reason lies on the proxy's own machine, such as a taken port, mend it there and restart that Envoy"
	if r.Owner == "" {
		return restart
	}
	return "correct " + r.Owner + "; " + restart
}
