package mesh_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"outrigger.dev/outrigger/test/mesh"
)

// A pod's own token lets its proxy in, and no other one does: not that of another pod, not one that is meant for somebody else,
// not that of a pod which is gone.
func TestTokensOfPods(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{withoutConsul: true})
	owner := w.start(t, "owner", "owner")
	proxies, err := w.Proxies(t.Context())
	must(t, err)
	if got := proxies["shop/owner"].Identity; got != "spiffe://cluster.local/ns/shop/sa/owner" {
		t.Errorf("the identity of the owner is %q", got)
	}
	stranger, ghost := w.captured(t, "stranger", "stranger"), w.captured(t, "ghost", "ghost")

	stolen := w.bare(stranger)
	stolen.TokenFile = w.tokenOf(t, owner, audience)
	w.refused(t, stolen, "shop/owner")
	w.refused(t, w.sidecarOf(t, stranger, "somebody-else"), "the token is not meant for the mesh")

	gone := w.sidecarOf(t, ghost, audience)
	w.remove(t, ghost)
	w.refused(t, gone, "the API server does not accept the token")
	// A pod with the name of the one that is gone is another one.
	w.announce(t, ghost, podOf(ghost))
	w.refused(t, gone, "the API server does not accept the token")

	_, err = w.Ready(context.WithoutCancel(t.Context()), w.sidecarOf(t, stranger, audience))
	must(t, err)
}

// refused starts a sidecar, and waits until the control plane says that it was not let in, and why.
func (w *world) refused(t *testing.T, config mesh.SidecarConfig, why string) {
	t.Helper()
	from := config.Namespace + "/" + config.Workload
	before := len(w.ServerLogs())
	sidecar, err := w.Sidecar(context.WithoutCancel(t.Context()), config)
	must(t, err)
	eventually(t, from+" is refused: "+why, func(context.Context) error {
		for line := range strings.Lines(w.ServerLogs()[before:]) {
			var said struct{ Level, Msg, Error, Reason string }
			if err := json.Unmarshal([]byte(line), &said); err != nil {
				continue
			}
			if said.Level == "WARN" && strings.Contains(line, why) {
				t.Logf("%s: %s", said.Msg, said.Error)
				return nil
			}
		}
		return fmt.Errorf("the log says %s", w.ServerLogs()[before:])
	})
	proxies, err := w.Proxies(t.Context())
	must(t, err)
	proxy := proxies[from]
	if proxy.Stream() != nil {
		t.Errorf("%s has a stream", from)
	}
	must(t, sidecar.Stop())
}

// A stream ends when its pod is gone, though that is the only pod there is and the API server is young: before its first whole state
// trouble is nothing to be wary of.
func TestStreamEndsWithItsPod(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{withoutConsul: true})
	p := w.start(t, "mortal", "mortal")
	connected := func(ctx context.Context) (int64, error) {
		stats, err := p.sidecar.Stats(ctx, `^control_plane\.connected_state$`)
		return stats["control_plane.connected_state"], err
	}
	if n, err := connected(t.Context()); n != 1 || err != nil {
		t.Fatalf("connected: %d, %v", n, err)
	}
	w.remove(t, p)
	eventually(t, "the stream has ended", func(ctx context.Context) error {
		n, err := connected(ctx)
		if err == nil && n != 0 {
			err = fmt.Errorf("the sidecar is connected")
		}
		return err
	})
}
