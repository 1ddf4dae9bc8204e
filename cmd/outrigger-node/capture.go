package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"outrigger.dev/outrigger/cmd/internal/cli"
	"outrigger.dev/outrigger/deploy/capture"
	"outrigger.dev/outrigger/deploy/netns"
)

const captureLong = `Bring the TCP connections of a pod to its proxy: set nftables rules in the
network namespace in which the command runs, or in the one that --netns names.

What programs of the pod send goes to port 15001, what the pod is sent goes to
port 15006, by IPv4 and IPv6. Left alone are the proxy's own connections (user
1337), what a program sends to its own pod, readiness and metrics of the proxy
(15021, 15090), and what is excluded. What is excluded passes no proxy: no
policy of the mesh holds for it.

The rules are replaced in one step, as often as the command runs; connections
that are open stay as they are. It needs CAP_NET_ADMIN, which root has.

--check changes nothing and proves that the rules work, for the flags that they
were set with: it compares what the kernel has, and makes connections from and
to a second namespace, which it joins to this one for some milliseconds. That
needs root. It fails when anything failed or could not be tried.

--remove takes away everything that the command made.`

type captureFlags struct {
	config                      capture.Config
	inPorts, outPorts, outCIDRs []string
	users                       []string
	netns                       string
	check, remove, print        bool
	out                         *cli.Output
}

func newCapture() *cobra.Command {
	f := &captureFlags{}
	cmd := &cobra.Command{
		Use:   "capture",
		Short: "Set, check or remove the rules that bring a pod's connections to its proxy",
		Long:  captureLong,
		Example: `  outrigger-node capture
  outrigger-node capture --exclude-inbound-ports 22,9100-9199 --exclude-outbound-cidrs 169.254.169.254/32
  outrigger-node capture --check -o json
  outrigger-node capture --remove --netns /proc/4711/ns/net`,
		Args:              cli.Arguments(),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	flags := cmd.Flags()
	flags.Uint32Var(&f.config.ProxyUser, "proxy-user", capture.DefaultProxyUser, "id of the user that the proxy, and nothing else in the pod, runs as")
	flags.StringSliceVar(&f.inPorts, "exclude-inbound-ports", nil, "ports of the pod that are left alone, such as 22,9100-9199")
	flags.StringSliceVar(&f.outPorts, "exclude-outbound-ports", nil, "ports that are left alone when the pod connects to them")
	flags.StringSliceVar(&f.outCIDRs, "exclude-outbound-cidrs", nil, "addresses that are left alone likewise, such as 10.9.0.0/16,fd00:9::/32")
	flags.StringSliceVar(&f.users, "exclude-users", nil, "ids of users whose connections are left alone")
	flags.StringVar(&f.netns, "netns", "", "file of the network namespace, such as /proc/4711/ns/net (default: the caller's)")
	flags.BoolVar(&f.check, "check", false, "change nothing, prove that the rules work")
	flags.BoolVar(&f.remove, "remove", false, "take the rules away")
	flags.BoolVar(&f.print, "print", false, "change nothing, print the rules as nft reads them")
	f.out = cli.OutputFlag(cmd, cli.FormatTable, cli.FormatJSON, cli.FormatYAML)
	cmd.Flags().Lookup("output").Usage = "format of --check: table, json, yaml"
	cmd.MarkFlagsMutuallyExclusive("check", "remove", "print")
	return cmd
}

func (f *captureFlags) run(cmd *cobra.Command) error {
	if err := f.parse(cmd); err != nil {
		return err
	}
	if f.print {
		return f.config.Print(cmd.OutOrStdout())
	}
	act := func() error { return capture.Apply(f.config) }
	if f.check {
		act = func() error { return f.prove(cmd) }
	} else if f.remove {
		act = capture.Remove
	}
	return withHint(f.there(act))
}

// there acts in the namespace that was named. To act in the own one takes fewer rights.
func (f *captureFlags) there(act func() error) error {
	if f.netns == "" {
		return act()
	}
	ns, err := netns.Open(f.netns)
	if err != nil {
		return err
	}
	defer ns.Close()
	return ns.Do(act)
}

// parse reads the flags, and says all that is wrong with them.
func (f *captureFlags) parse(cmd *cobra.Command) error {
	if err := f.out.Check(cmd); err != nil {
		return err
	}
	var errs [4]error
	e := &f.config.Exclude
	e.InboundPorts, errs[0] = each("exclude-inbound-ports", f.inPorts, capture.ParsePortRange)
	e.OutboundPorts, errs[1] = each("exclude-outbound-ports", f.outPorts, capture.ParsePortRange)
	e.OutboundCIDRs, errs[2] = each("exclude-outbound-cidrs", f.outCIDRs, netip.ParsePrefix)
	e.Users, errs[3] = each("exclude-users", f.users, parseUser)
	err := errors.Join(errs[:]...)
	if err == nil {
		err = f.config.Validate()
	}
	if err != nil {
		return cli.Usagef(cmd, "%w", err)
	}
	return nil
}

func parseUser(text string) (uint32, error) {
	id, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%.40q: want the number of a user, such as 2000", text)
	}
	return uint32(id), nil
}

func each[T any](flag string, texts []string, parse func(string) (T, error)) ([]T, error) {
	var values []T
	var errs []error
	for _, text := range texts {
		value, err := parse(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("--%s: %w", flag, err))
		}
		values = append(values, value)
	}
	return slices.Clip(values), errors.Join(errs...)
}

// prove prints what the check finds.
func (f *captureFlags) prove(cmd *cobra.Command) error {
	report, err := capture.Check(cmd.Context(), f.config)
	if err != nil {
		return err
	}
	if err := f.out.Write(cmd.OutOrStdout(), view(report), func(w io.Writer) error { return table(w, report) }); err != nil {
		return err
	}
	if !report.OK() {
		return cli.ErrSilent
	}
	return nil
}

// captureReport is a report with its verdict, for programs.
type captureReport struct {
	OK bool `json:"ok"`
	capture.Report
}

func view(r capture.Report) captureReport { return captureReport{OK: r.OK(), Report: r} }

func table(w io.Writer, r capture.Report) error {
	rows := [][]string{{"CHECK", "RESULT", "SEEN"}}
	for _, f := range r.Findings {
		rows = append(rows, []string{f.Name, string(f.Result), f.Detail})
	}
	return cli.Table(w, rows)
}

// withHint says what to do about missing rights.
func withHint(err error) error {
	if errors.Is(err, capture.ErrNoRights) {
		return cli.Hint(err, "sudo outrigger-node capture ..., or give the container CAP_NET_ADMIN")
	}
	return err
}
