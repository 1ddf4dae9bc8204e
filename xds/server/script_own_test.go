package server

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"

	"outrigger.dev/outrigger/xds/cache"
)

// own is our server, with what scripts may look at in it.
type own struct {
	*mesh
	t       *testing.T
	owed    int // publications that are not settled
	drained chan error
}

func newOwn(t *testing.T, text string, wholeFrom int) *own {
	t.Helper()
	o := &own{t: t}
	var synced chan struct{}
	if waitsForSync(text) {
		synced = make(chan struct{})
	}
	o.mesh = newMesh(t, func(c *Config) {
		c.Timing.Drain = 45 * time.Second
		if synced != nil {
			c.Synced = synced
		}
		if strings.Contains(text, "# small responses") {
			c.Limits.ResponseMembers = 2
		}
	})
	o.synced = synced
	o.server.settings.wholeFrom = wholeFrom
	return o
}

func waitsForSync(text string) bool { return strings.Contains(text, "\nsynced\n") }

func (o *own) connect() *client                         { return o.mesh.connect("web", "token-of-web") }
func (*own) version(_ cache.Ref, version string) string { return version }
func (*own) plain(r *discovery.Resource) string         { return r.Version }
func (*own) identifier() string                         { return "outrigger" }

func (o *own) publish(p cache.Publication) {
	p.Settled = func() { o.owed-- }
	o.owed++
	if _, concerned := o.store.Publish(p); concerned == 0 {
		o.owed--
	}
}

func (o *own) steer(words []string) (string, error) {
	args := words[1:]
	switch words[0] {
	case "settled", "unsettled":
		if done := o.owed == 0; done != (words[0] == "settled") {
			return fmt.Sprintf("%d publications are unsettled", o.owed), nil
		}
	case "lagging":
		return o.lagging(args), nil
	case "parked":
		return o.parked(args), nil
	case "refused":
		if n := len(o.observer.nacks); strconv.Itoa(n) != args[0] {
			return fmt.Sprintf("%d refusals were reported", n), nil
		}
	case "asked":
		return o.asked(args), nil
	case "secret", "secrets":
		return "", o.secret(words)
	case "synced":
		close(o.synced)
	case "drain":
		o.drain()
	default:
		return "", fmt.Errorf("there is no such step")
	}
	return "", nil
}

// parked compares what the debug view says with "TYPE NAME@VERSION over VERSION of OWNER".
func (o *own) parked(args []string) string {
	var got []string
	for _, info := range o.server.Streams(context.Background()) {
		for _, t := range info.Types {
			for _, p := range t.Parked {
				got = append(got, fmt.Sprintf("%s %s@%s over %s of %s", t.Type, p.Name, p.Version, orDash(p.Has), orDash(p.Owner)))
			}
		}
	}
	if want := strings.Join(args, " "); strings.Join(got, "; ") != want {
		return fmt.Sprintf("got %q", got)
	}
	return ""
}

// lagging compares what the debug view says of a type.
func (o *own) lagging(args []string) string {
	var got []string
	for _, info := range o.server.Streams(context.Background()) {
		for _, t := range info.Types {
			if t.Type != args[0] {
				continue
			}
			if t.Pending != len(t.Lagging) {
				return fmt.Sprintf("%d are pending, %d named", t.Pending, len(t.Lagging))
			}
			for _, l := range t.Lagging {
				sent := ""
				if l.Sent {
					sent = "*"
				}
				got = append(got, l.Name+"@"+orDash(l.Has)+">"+orDash(l.Wants)+sent)
			}
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, args[1:]) {
		return fmt.Sprintf("got %q", got)
	}
	return ""
}

// asked compares the secrets that were asked of the source since the last time.
func (o *own) asked(want []string) string {
	o.vault.mu.Lock()
	defer o.vault.mu.Unlock()
	got := o.vault.asked
	o.vault.asked = nil
	if !slices.Equal(got, want) {
		return fmt.Sprintf("got %q", got)
	}
	return ""
}

func (o *own) secret(words []string) error {
	v := o.vault
	switch {
	case words[0] == "secret":
		var renew time.Duration
		if len(words) > 3 {
			var err error
			if renew, err = time.ParseDuration(words[3]); err != nil {
				return err
			}
		}
		v.put(words[1], words[2], renew)
	case words[1] == "changed":
		v.change()
	default:
		v.mu.Lock()
		defer v.mu.Unlock()
		v.failing = words[1] == "failing"
	}
	return nil
}

func (o *own) drain() {
	o.drained = make(chan error, 1)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	o.t.Cleanup(cancel)
	go func() { o.drained <- o.server.Drain(ctx) }()
}
