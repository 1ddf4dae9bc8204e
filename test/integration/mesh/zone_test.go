package mesh_test

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"outrigger.dev/outrigger/test/fault"
)

// A zone is lost for real, shortly after the API server was in trouble: its programs end, its endpoints go at once, and nothing is
// read again.
func TestZoneIsLostAfterTrouble(t *testing.T) {
	t.Parallel()
	z := newZone(t)
	must(t, z.toKube.Set(fault.Cut()))
	z.sourceIs(t, "in trouble", kubeSource, troubled)
	must(t, z.toKube.Set(fault.Pass()))
	z.sourceIs(t, "well", kubeSource, well)
	z.dies(t, (*pod).end)
	z.isReported(t)
	began := time.Now()
	z.isGone(t)
	t.Logf("the endpoints of the zone were gone after %s", time.Since(began).Round(time.Millisecond))
}

// The zone is lost while the API server cannot be asked: its programs end, and proxies are told of them still. Its endpoints
// go with the first that is heard again.
func TestZoneIsLostInTrouble(t *testing.T) {
	t.Parallel()
	newZone(t).isLostInTrouble(t, (*pod).end)
}

// The same with machines that nobody answers for.
func TestZoneFallsSilentInTrouble(t *testing.T) {
	t.Parallel()
	newZone(t).isLostInTrouble(t, (*pod).fallSilent)
}

// zone is a town in whose other zone most pods are.
type zone struct {
	*town
	far []*pod
	// lost is when the zone was.
	lost time.Time
}

func newZone(t *testing.T) *zone {
	t.Helper()
	// A caller waits for a few endpoints to be tried that say nothing.
	v := newTown(t, options{patience: 10 * time.Second})
	more := []*pod{v.plain(t, "cart-5", farNode), v.plain(t, "cart-6", farNode)}
	v.client.knowsAll(t, cart, all(append(v.everybody(), more...)...))
	return &zone{town: v, far: append(more, v.pods[2:]...)}
}

// held is for how long dead endpoints are told. In it, those that were ejected are tried again.
const held = 20 * time.Second

func (z *zone) isLostInTrouble(t *testing.T, die func(*pod, *testing.T)) {
	t.Helper()
	must(t, z.toKube.Set(fault.Cut()))
	z.sourceIs(t, "in trouble", kubeSource, troubled)
	z.dies(t, die)
	z.isReported(t)
	must(t, z.kube.AwaitEndpoints(within(t), namespace, cart, z.pods[0].IPv4.String(), z.pods[1].IPv4.String()))
	pass(t, held)
	must(t, z.toKube.Set(fault.Pass()))
	z.isGone(t)
}

// dies ends what runs in the zone. What was sent before that nobody can save: so connections are not kept from shortly before.
func (z *zone) dies(t *testing.T, die func(*pod, *testing.T)) {
	t.Helper()
	for _, p := range z.far {
		p.leaving.Store(true)
	}
	pass(t, time.Second)
	z.witness.dies(z.far...)
	for _, p := range z.far {
		die(p, t)
	}
	z.lost = time.Now()
}

// isReported has the controllers say that the node of the zone is lost, and what was on it.
func (z *zone) isReported(t *testing.T) {
	t.Helper()
	z.setNodeReady(t, farNode, corev1.ConditionUnknown)
	for _, p := range z.far {
		z.remove(t, p)
	}
}

// isGone waits until nobody is sent to the zone, and checks that this took no second read, and that no request failed which began
// after the zone was lost.
func (z *zone) isGone(t *testing.T) {
	t.Helper()
	z.client.knowsAll(t, cart, all(append(z.pods[:2:2], z.old...)...))
	z.sourceIs(t, "well", kubeSource, well)
	if n := z.metric(t, "outrigger_source_confirmations_total", label("source", kubeSource)); n != 0 {
		t.Errorf("%v second reads, want none", n)
	}
	report := z.load.Stop()
	t.Logf("load: %s, slowest %s", report, report.Quantile(1))
	for _, failed := range report.Failed() {
		if failed.Began.After(z.lost) {
			t.Error(failed)
		} else {
			t.Logf("it was under way as the zone was lost: %s", failed)
		}
	}
	z.witness.finish(t)
}

// end is that of the program: nobody listens any more.
func (p *pod) end(t *testing.T) {
	t.Helper()
	must(t, p.listener.Close())
}

// fallSilent lets no answer of the pod come to anybody.
func (p *pod) fallSilent(t *testing.T) {
	t.Helper()
	must(t, p.Silence())
}
