package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"outrigger.dev/outrigger/cmd/internal/cli"
	"outrigger.dev/outrigger/xds/replica"
)

// askTimeout bounds one question to the server.
const askTimeout = 10 * time.Second

// watchEvery is how often --watch asks.
const watchEvery = time.Second

// ask puts one question to a server of a data folder.
func ask[T any](ctx context.Context, dir string, question func(context.Context, *replica.Client) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	answer, err := question(ctx, replica.NewClient(dir))
	return answer, explainAsk(err, dir)
}

// explainAsk says what to do when no server answers.
func explainAsk(err error, dir string) error {
	_, unreachable := errors.AsType[*net.OpError](err)
	switch {
	case !unreachable:
		return err
	case errors.Is(err, os.ErrPermission):
		return cli.Hint(err, "ask as the user that runs the server")
	default:
		return cli.Hint(err, "outrigger server --data-dir %s --config-dir DIR, or name the data folder of the running server", quoteArg(dir))
	}
}

// follow calls step at once and, when watching, again and again until ctx ends, which is no error.
func follow(ctx context.Context, watch bool, step func() error) error {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		if err := step(); err != nil {
			return err
		}
		if !watch {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// nodeName completes a name without a namespace.
func nodeName(namespace, name string) string {
	if strings.Contains(name, "/") {
		return name
	}
	return namespace + "/" + name
}

// completeProxies offers the names of the proxies that the server knows.
func completeProxies(dataDir *string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 || *dataDir == "" {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		all, err := ask(cmd.Context(), *dataDir, func(ctx context.Context, c *replica.Client) (replica.Proxies, error) {
			return c.Proxies(ctx)
		})
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		names := make([]cobra.Completion, len(all.Proxies))
		for i, proxy := range all.Proxies {
			names[i] = cobra.CompletionWithDesc(proxy.Name, proxy.State)
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// short prints a duration in its largest units, such as 45s, 1m30s, 23h59m or 3d.
func short(d time.Duration) string {
	hours, minutes, seconds := int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60
	switch {
	case d < 0:
		return "-" + short(-d)
	case hours >= 48:
		return fmt.Sprintf("%dd", hours/24)
	case hours > 0:
		return fmt.Sprintf("%dh%dm", hours, minutes)
	case minutes > 0:
		return fmt.Sprintf("%dm%ds", minutes, seconds)
	default:
		return fmt.Sprintf("%ds", seconds)
	}
}
