package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"outrigger.dev/outrigger/cmd/internal/cli"
	"outrigger.dev/outrigger/discovery/file"
	"outrigger.dev/outrigger/xds/replica"
)

const waitLong = `Wait until a revision of the configuration has arrived: until every connected
proxy of every replica has acknowledged it. Proxies that refuse a part of it are
named, and the command fails. Workloads without a connection are not waited for:
they get the latest when they connect.

REV names a state of the folder of YAML by a digest of its files, so that it is
the same on all replicas; "outrigger wait" prints it. That it was there once is
enough. Without REV it is what stands in the folder of the server when the
command starts, read or not, and with --config-dir what stands in that folder,
such as the one that is copied to the servers: after a change that was taken back
the state before is waited for once more.

Exit codes: 0 acknowledged, 1 refused or not arrived in time, 2 wrong usage.`

const (
	// quietFor is for how long nothing is said while waiting; progressEvery how often something is at most.
	quietFor      = 2 * time.Second
	progressEvery = time.Second
	// shownLacks is how many of those who are waited for are named.
	shownLacks = 5
)

type waitFlags struct {
	dataDir, configDir string
	timeout            time.Duration
	out                *cli.Output
}

func newWait() *cobra.Command {
	f := &waitFlags{}
	cmd := &cobra.Command{
		Use:   "wait [REV] --data-dir DIR",
		Short: "Wait until every proxy has a revision of the configuration",
		Long:  waitLong,
		Example: `  mv new.yaml mesh/ && outrigger wait --data-dir data/
  outrigger wait 3f2a90c41b7e --data-dir data/ --timeout 5m
  outrigger wait --config-dir mesh/ --data-dir data/ -o json`,
		Args:              atMostOne,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, args []string) error { return f.run(cmd, strings.Join(args, "")) },
	}
	dataDirFlag(cmd, &f.dataDir, "data folder of a running server")
	cmd.Flags().StringVar(&f.configDir, "config-dir", "", "folder of YAML whose present state is waited for")
	cmd.Flags().DurationVar(&f.timeout, "timeout", time.Minute, "longest time to wait; 0s: as long as it takes")
	f.out = cli.OutputFlag(cmd, cli.FormatTable, cli.FormatJSON, cli.FormatYAML)
	// The flag was just added, so that this cannot fail.
	_ = cmd.MarkFlagDirname("config-dir")
	return cmd
}

func atMostOne(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return cli.Usagef(cmd, "unexpected argument %q", args[1])
	}
	return nil
}

func (f *waitFlags) run(cmd *cobra.Command, revision string) error {
	if err := f.check(cmd, revision); err != nil {
		return err
	}
	target := replica.Target{Revision: revision, Past: revision != ""}
	if f.configDir != "" {
		var err error
		if target.Revision, err = file.Revision(f.configDir); err != nil {
			return fmt.Errorf("folder %s: %w", f.configDir, err)
		}
	}
	ctx, cancel := f.limited(cmd.Context())
	defer cancel()
	began, says := time.Now(), progress{w: cmd.ErrOrStderr(), next: time.Now().Add(quietFor)}
	verdict, err := replica.NewClient(f.dataDir).Wait(ctx, target, says.told)
	if err != nil {
		return explainAsk(err, f.dataDir)
	}
	if err := f.out.Write(cmd.OutOrStdout(), verdict, func(w io.Writer) error { return printVerdict(w, verdict) }); err != nil {
		return err
	}
	if err := f.warn(cmd, verdict); err != nil {
		return err
	}
	return f.outcome(verdict, time.Since(began))
}

func (f *waitFlags) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	if f.timeout == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, f.timeout)
}

func (f *waitFlags) check(cmd *cobra.Command, revision string) error {
	if err := f.out.Check(cmd); err != nil {
		return err
	}
	if revision != "" && !file.IsRevision(revision) {
		return cli.Usagef(cmd, "REV %.64q: want 12 hex digits, as \"outrigger wait\" prints them", revision)
	}
	if revision != "" && f.configDir != "" {
		return cli.Usagef(cmd, "REV and --config-dir both say what to wait for: give one of them")
	}
	if f.timeout < 0 {
		return cli.Usagef(cmd, "--timeout %s: want 0s or more", f.timeout)
	}
	return needDataDir(cmd, f.dataDir)
}

// warn says what the verdict leaves open.
func (f *waitFlags) warn(cmd *cobra.Command, v replica.Verdict) error {
	w := cmd.ErrOrStderr()
	if v.Errors > 0 {
		fmt.Fprintf(w, "warning: %s in the configuration: what is wrong is not in use, its last good form is; outrigger validate says where\n",
			plural(v.Errors, "error"))
	}
	if v.Proxies == 0 && v.State == replica.RevisionAcknowledged {
		fmt.Fprintln(w, "warning: no proxy is connected")
	}
	return printReplicas(w, v.Replicas, time.Now())
}

// outcome is the error of what has not arrived.
func (f *waitFlags) outcome(v replica.Verdict, took time.Duration) error {
	switch v.State {
	case replica.RevisionAcknowledged:
		return nil
	case replica.RevisionRefused:
		names := proxiesOf(v.Refused)
		err := fmt.Errorf("revision %s: refused by %s: %s", v.Revision, plural(len(names), "proxy"), strings.Join(names, ", "))
		return cli.Hint(err, "outrigger proxy %s --data-dir %s", names[0], quoteArg(f.dataDir))
	default:
		err := fmt.Errorf("revision %s: not everywhere after %s: waits for %s", v.Revision, short(took), lacks(v.Waiting))
		return cli.Hint(err, "outrigger proxies --data-dir %s, or wait longer with --timeout", quoteArg(f.dataDir))
	}
}

// printVerdict prints the revision alone on the first line, then what was refused.
func printVerdict(w io.Writer, v replica.Verdict) error {
	if _, err := fmt.Fprintln(w, v.Revision); err != nil {
		return err
	}
	for _, r := range v.Refused {
		_, err := fmt.Fprintf(w, "refused by %s: %s %s of %s: %s\n", r.Proxy, r.Type, r.Name, orDash(r.Owner), orDash(cli.Plain(r.Error)))
		if err != nil {
			return err
		}
	}
	return nil
}

// proxiesOf returns who refused something, each once.
func proxiesOf(refused []replica.Refused) []string {
	var names []string
	for _, r := range refused {
		names = append(names, r.Proxy)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// lacks names the first of those who are waited for.
func lacks(waiting []replica.Lack) string {
	var names []string
	for _, l := range waiting[:min(len(waiting), shownLacks)] {
		names = append(names, l.String())
	}
	if more := len(waiting) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, ", ")
}

// progress tells on standard error how far it is.
type progress struct {
	w    io.Writer
	next time.Time
	last string
}

func (p *progress) told(v replica.Verdict) {
	now := time.Now()
	if now.Before(p.next) {
		return
	}
	p.next = now.Add(progressEvery)
	text := fmt.Sprintf("revision %s: %d of %s have it; waits for %s", v.Revision, v.Acknowledged, plural(v.Proxies, "proxy"), lacks(v.Waiting))
	if text != p.last {
		fmt.Fprintln(p.w, text)
		p.last = text
	}
}
