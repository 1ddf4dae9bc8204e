package mesh_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"outrigger.dev/outrigger/test/load"
	"outrigger.dev/outrigger/test/mesh"
)

// shiftRequests is how many requests TestTrafficMovesBetweenRegistries sends at least.
const shiftRequests = 2000

// annotate changes an annotation of a service.
func (w *world) annotate(t *testing.T, service, key, value string) {
	t.Helper()
	w.patch(t, service, fmt.Sprintf(`{"metadata": {"annotations": {%q: %q}}}`, key, value))
}

// patch merges JSON into a service.
func (w *world) patch(t *testing.T, service, patch string) {
	t.Helper()
	_, err := w.kube.Client().CoreV1().Services(namespace).Patch(t.Context(), service, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	must(t, err)
}

// TestTrafficMovesBetweenRegistries: a service moves from Kubernetes to Consul and back under load, while instances come
// and go in both. No request fails.
func TestTrafficMovesBetweenRegistries(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	s := &shift{world: w, address: w.service(t, "cart", map[string]string{
		"outrigger.dev/consul-service": "cart", "outrigger.dev/consul-share": "0",
	})}
	stock := w.service(t, "stock", nil)
	old := []*pod{w.instance(t, "legacy-1", "cart"), w.instance(t, "legacy-2", "cart")}
	first := w.start(t, "cart-1", "cart")
	shelf := w.start(t, "shelf-1", "stock")
	s.client = w.start(t, "client", "client")
	s.client.answeredBy(t, s.address, "cart-1")
	s.client.answeredBy(t, stock, "shelf-1")
	var stop func() load.Report
	s.load, stop = s.client.load(t, s.address)
	began := w.propagation(t)

	s.share(t, 0, 30)
	third := w.instance(t, "legacy-3", "cart")
	s.sees(t, "legacy-3")
	w.deregister(t, old[0])
	s.unsees(t, "legacy-1")
	old[0].stop()

	second := w.start(t, "cart-2", "cart")
	s.sees(t, "cart-2")
	w.terminate(t, first)
	known := all(old[1], third, second)
	known[first] = "DRAINING"
	s.client.knowsAll(t, "cart", known)
	w.remove(t, first)
	s.client.knowsAll(t, "cart", all(old[1], third, second))
	must(t, first.sidecar.Stop())
	s.unsees(t, "cart-1")

	w.terminate(t, shelf)
	w.remove(t, shelf)
	s.client.knowsAll(t, "stock", all())
	again := w.start(t, "shelf-2", "stock")
	s.client.answeredBy(t, stock, again.Name)

	s.share(t, 30, 100)
	s.share(t, 100, 0)
	eventually(t, "enough was sent", func(context.Context) error {
		if n := s.load.Sent(); n < shiftRequests {
			return fmt.Errorf("%d requests", n)
		}
		return nil
	})
	stop()
	w.propagation(t).minus(began).tell(t)
	if n := w.metric(t, "outrigger_source_held_ended_total", label("end", "saved")); n != 0 {
		t.Errorf("%v live endpoints were about to be lost", n)
	}
}

// shift is a service under load.
type shift struct {
	*world
	address string
	client  *pod
	load    *load.Load
}

// share moves the share of Consul, waits until it has moved, and checks it on the next requests.
func (s *shift) share(t *testing.T, from, percent int) {
	t.Helper()
	s.annotate(t, "cart", "outrigger.dev/consul-share", fmt.Sprint(percent))
	if percent == from {
		return
	}
	const calls = 200
	eventually(t, fmt.Sprintf("%d %% go to Consul", percent), func(ctx context.Context) error {
		seen, err := s.client.answers(ctx, s.address, calls)
		if err != nil {
			return err
		}
		moved := 0
		for name, n := range seen {
			if strings.HasPrefix(name, "legacy-") {
				moved += n * 100 / calls
			}
		}
		if percent%100 == 0 && moved != percent || moved < percent-10 || moved > percent+10 {
			return fmt.Errorf("it is %d %%: %v", moved, seen)
		}
		return nil
	})
}

// sees waits until calls are answered by a pod among others.
func (s *shift) sees(t *testing.T, name string) {
	t.Helper()
	eventually(t, name+" is called", func(ctx context.Context) error {
		seen, err := s.client.answers(ctx, s.address, 20)
		if err == nil && seen[name] == 0 {
			err = fmt.Errorf("it was answered by %v", seen)
		}
		return err
	})
}

// unsees waits until calls are not answered by a pod any more.
func (s *shift) unsees(t *testing.T, name string) {
	t.Helper()
	eventually(t, name+" is not called", func(ctx context.Context) error {
		seen, err := s.client.answers(ctx, s.address, 50)
		if err == nil && seen[name] != 0 {
			err = fmt.Errorf("it was answered by %v", seen)
		}
		return err
	})
}

// propagation is how long changes took from a source's reading to the last ACK.
type propagation struct {
	mesh.Metrics
}

const propagationSeconds = "outrigger_propagation_seconds"

func (w *world) propagation(t *testing.T) propagation {
	t.Helper()
	metrics, err := w.Metrics(t.Context())
	must(t, err)
	return propagation{metrics}
}

// minus returns what came after an earlier look.
func (p propagation) minus(earlier propagation) propagation {
	later := mesh.Metrics{}
	for series, value := range p.Metrics {
		later[series] = value - earlier.Metrics[series]
	}
	return propagation{later}
}

// tell logs the times, and checks that some were measured and all were short.
func (p propagation) tell(t *testing.T) {
	t.Helper()
	n, sum := p.Sum(propagationSeconds+"_count"), p.Sum(propagationSeconds+"_sum")
	if n == 0 {
		t.Error("no change was timed")
		return
	}
	below := func(limit string) float64 { return p.Sum(propagationSeconds+"_bucket", label("le", limit)) / n * 100 }
	t.Logf("%v changes from registry to ACK: mean %s, %.0f %% within 10 ms, %.0f %% within 50 ms, %.0f %% within 100 ms",
		n, time.Duration(sum/n*float64(time.Second)).Round(100*time.Microsecond), below("0.01"), below("0.05"), below("0.1"))
	if below("10") != 100 {
		t.Errorf("a change took more than 10 s: %v", p.Metrics)
	}
}
