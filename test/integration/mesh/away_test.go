package mesh_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"outrigger.dev/outrigger/test/fault"
	"outrigger.dev/outrigger/test/mesh"
	"outrigger.dev/outrigger/xds/debug"
)

// away takes both registries away from the control plane.
func (w *world) away(t *testing.T) {
	t.Helper()
	must(t, w.toKube.Set(fault.Cut()))
	must(t, w.toConsul.Set(fault.Cut()))
}

// back gives them back.
func (w *world) back(t *testing.T) {
	t.Helper()
	must(t, w.toKube.Set(fault.Pass()))
	must(t, w.toConsul.Set(fault.Pass()))
}

func (w *world) allWell(t *testing.T) {
	t.Helper()
	for _, source := range []string{kubeSource, policiesSource, consulSource} {
		w.sourceIs(t, "well", source, well)
	}
}

// Both registries are away at once. An instance that ends meanwhile is used for as long as nobody can say so, and goes when they are back.
func TestBothRegistriesAreAway(t *testing.T) {
	t.Parallel()
	v := newTown(t, options{})
	v.away(t)
	for _, source := range []string{kubeSource, policiesSource, consulSource} {
		v.sourceIs(t, "in trouble", source, troubled)
	}
	v.witness.dies(v.old[3])
	v.deregister(t, v.old[3])
	pass(t, 5*time.Second)
	v.back(t)
	v.client.knowsAll(t, cart, all(append(v.old[:3:3], v.pods...)...))
	v.allWell(t)
	v.condition(t, metav1.ConditionTrue)
	v.ended(t, kubeSource, 0, 0)
	v.finish(t)
}

// The control plane is killed and started again while both registries are away, without a last-good file: it is not ready and
// says why, and the proxies keep what they have.
func TestConsul19RestartWithoutLastGoodFile(t *testing.T) {
	t.Parallel()
	v := newTown(t, options{})
	v.away(t)
	v.KillServer()
	must(t, v.LaunchServer(context.WithoutCancel(t.Context())))
	eventually(t, "it says that it is not ready", func(ctx context.Context) error {
		err := v.ServerReady(ctx)
		for _, part := range []string{"503", kubeSource, policiesSource, consulSource, "refused"} {
			if err == nil || !strings.Contains(err.Error(), part) {
				return fmt.Errorf("%s is not in its reasons: %w", part, err)
			}
		}
		return nil
	})
	pass(t, 3*time.Second)
	if err := v.ServerReady(t.Context()); err == nil {
		t.Error("it is ready and knows nothing")
	}
	v.back(t)
	eventually(t, "it is ready", v.ServerReady)
	v.reconnected(t)
	v.allWell(t)
	v.condition(t, metav1.ConditionTrue)
	v.finish(t)
}

// reconnected waits until the client has a stream again, and all that it is to have.
func (v *town) reconnected(t *testing.T) {
	t.Helper()
	must(t, v.WaitSynced(within(t), namespace+"/"+v.client.Name, namespace+"/"+v.pods[0].Name))
}

// The same with a last-good file: the control plane is ready, and serves the state of before to whoever proves who it is
// without the registry. The token of a pod cannot be reviewed, so that its sidecar waits, with what it has.
func TestConsul19RestartWithLastGoodFile(t *testing.T) {
	t.Parallel()
	v := newTown(t, options{lastGood: true})
	guest := v.captured(t, "guest", "guest")
	v.saved(t, guest)
	withPodToken := v.sidecarOf(t, guest, audience)
	v.away(t)
	v.KillServer()
	must(t, v.StartServer(context.WithoutCancel(t.Context())))
	for _, source := range []string{kubeSource, consulSource} {
		s := v.sourceIs(t, "from the file", source, func(s debug.Source) bool { return s.Held.Reason != "" && !s.Held.LastGood.IsZero() })
		if s.Held.Endpoints != 4 || s.Held.Total != 4 {
			t.Errorf("%s: %d of %d endpoints are from the file, want all 4", source, s.Held.Endpoints, s.Held.Total)
		}
	}
	v.waits(t, withPodToken)
	_, err := v.Ready(context.WithoutCancel(t.Context()), v.bare(guest))
	must(t, err)
	if _, err := guest.answers(t.Context(), v.address, 20); err != nil {
		t.Error(err)
	}
	v.back(t)
	v.allWell(t)
	v.reconnected(t)
	v.condition(t, metav1.ConditionTrue)
	if n := v.metric(t, "outrigger_source_held_ended_total", label("end", "dead")); n != 0 {
		t.Errorf("%v endpoints were taken for dead", n)
	}
	v.finish(t)
}

// waits starts a sidecar that cannot prove who it is now, and ends it.
func (v *town) waits(t *testing.T, config mesh.SidecarConfig) {
	t.Helper()
	sidecar, err := v.Sidecar(context.WithoutCancel(t.Context()), config)
	must(t, err)
	eventually(t, "the tokens of pods cannot be reviewed", func(ctx context.Context) error {
		if !strings.Contains(v.ServerLogs(), "tokens cannot be reviewed now") {
			return errors.New("it does not say so")
		}
		stats, err := sidecar.Stats(ctx, `^cluster\.xds\.upstream_rq_total$|^control_plane\.connected_state$`)
		if err == nil && stats["cluster.xds.upstream_rq_total"] == 0 {
			err = fmt.Errorf("it has not asked yet: %v", stats)
		}
		return err
	})
	proxies, err := v.Proxies(t.Context())
	must(t, err)
	if proxy := proxies[sidecar.Name]; proxy.Stream() != nil {
		t.Errorf("%s was let in", sidecar.Name)
	}
	must(t, sidecar.Stop())
}

// saved waits until the state of now is in the last-good file.
func (v *town) saved(t *testing.T, last *pod) {
	t.Helper()
	eventually(t, "the last-good file is written", func(context.Context) error {
		text, err := os.ReadFile(filepath.Join(v.Dir(), "last-good"))
		if err != nil {
			return err
		}
		for _, p := range append(v.everybody(), v.client, last) {
			if !strings.Contains(string(text), p.Name) {
				return fmt.Errorf("%s is not in it", p.Name)
			}
		}
		return nil
	})
}
