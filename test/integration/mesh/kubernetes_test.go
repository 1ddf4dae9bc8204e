package mesh_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"outrigger.dev/outrigger/test/cluster"
	"outrigger.dev/outrigger/test/fault"
	"outrigger.dev/outrigger/xds/debug"
)

func TestCallFromPodToPod(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{withoutConsul: true})
	address := w.service(t, "server", nil)
	w.start(t, "server", "server")
	client := w.start(t, "client", "client")
	client.answeredBy(t, address, "server")
	_, body, err := client.get(t.Context(), address)
	must(t, err)
	if want := "URI=spiffe://cluster.local/ns/shop/sa/client"; !strings.HasSuffix(body, want) {
		t.Errorf("the server saw %q, want a certificate with %s", body, want)
	}
}

// outage is how long the API server is away, which -short cuts.
func outage() time.Duration {
	if testing.Short() {
		return 15 * time.Second
	}
	return 2 * time.Minute
}

// The API server is killed for two minutes: everything goes on, what changes in Consul too, and no stream ends. A pod that goes soon
// after it is back goes at once.
func TestAPIServerIsKilled(t *testing.T) {
	t.Parallel()
	v := newTown(t, options{})
	stream := v.stream(t, v.client)
	v.kube.KillAPIServer()
	killed := time.Now()
	v.sourceIs(t, "in trouble", kubeSource, troubled)
	v.sourceIs(t, "in trouble", policiesSource, troubled)
	another := v.instance(t, "legacy-5", cart)
	v.client.knowsAll(t, cart, all(append(v.everybody(), another)...))
	v.witness.lives(another)
	pass(t, outage()-time.Since(killed))
	v.restartKube(t)
	v.sourceIs(t, "well", kubeSource, well)
	v.sourceIs(t, "well", policiesSource, well)
	v.condition(t, metav1.ConditionTrue)
	if now := v.stream(t, v.client); !now.Equal(stream) {
		t.Errorf("the client's stream is of %s, and was of %s", now, stream)
	}
	v.ended(t, kubeSource, 0, 0)

	gone := v.pods[3]
	v.witness.dies(gone)
	v.remove(t, gone)
	v.client.knowsAll(t, cart, all(append(v.everybody()[:3], append(v.old, another)...)...))
	v.sourceIs(t, "well", kubeSource, well)
	v.ended(t, consulSource, 0, 0)
	v.finish(t)
}

// restartKube starts the API server again, and the controllers with it: these would come again in their own time.
func (w *world) restartKube(t *testing.T) {
	t.Helper()
	must(t, w.kube.StartAPIServer(within(t)))
	w.kube.KillControllers()
	must(t, w.kube.StartControllers(within(t)))
}

// stream is since when the newest stream of a pod's sidecar is open.
func (w *world) stream(t *testing.T, p *pod) time.Time {
	t.Helper()
	proxies, err := w.Proxies(t.Context())
	must(t, err)
	proxy := proxies[namespace+"/"+p.Name]
	if proxy.Stream() == nil {
		t.Fatalf("%s has no stream: %+v", p.Name, proxy)
	}
	return proxy.Stream().Since
}

// write makes the cluster write, so that its versions go on.
func (w *world) write(t *testing.T, times int) {
	t.Helper()
	maps := w.kube.Client().CoreV1().ConfigMaps(namespace)
	object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{GenerateName: "write-"}}
	for range times {
		_, err := maps.Create(t.Context(), object, metav1.CreateOptions{})
		must(t, err)
	}
}

// etcd is restored as it was before two pods were made, which run still. They are used for as long as the state is an old one. Then
// the one that was made again is saved, and the other one goes.
func TestAPIServerIsRestoredOlder(t *testing.T) {
	t.Parallel()
	v := newTown(t, options{})
	state, err := v.kube.SaveState(t.Context())
	must(t, err)
	later := []*pod{v.plain(t, "cart-5", node), v.plain(t, "cart-6", node)}
	v.client.knowsAll(t, cart, all(append(v.everybody(), later...)...))
	v.witness.lives(later...)
	must(t, v.kube.RestoreState(within(t), state))
	held := v.sourceIs(t, "older", kubeSource, func(s debug.Source) bool {
		return strings.Contains(s.Trouble, "older") && s.Held.Endpoints == 2
	})
	if held.Held.Reason != "Trouble" || len(held.Held.Services) != 1 || held.Held.Services[0].Name != "shop/cart" {
		t.Errorf("what is held is %+v", held.Held)
	}
	if n := v.metric(t, "outrigger_source_held", label("source", kubeSource), label("kind", "endpoints")); n != 2 {
		t.Errorf("the metric says that %v endpoints are held, want 2", n)
	}
	v.condition(t, metav1.ConditionFalse, kubeSource, "older", "held: 2 of ")
	v.announce(t, later[0], podOf(later[0]))
	v.witness.dies(later[1])
	v.write(t, 500)
	v.client.knowsAll(t, cart, all(append(v.everybody(), later[0])...))
	v.sourceIs(t, "well", kubeSource, well)
	v.condition(t, metav1.ConditionTrue)
	v.ended(t, kubeSource, 1, 1)
	v.finish(t)
}

// podOf is the object of a pod that plain made.
func podOf(p *pod) cluster.Pod {
	return cluster.Pod{Labels: p.object.Labels, Node: p.object.Spec.NodeName}
}

// Another cluster, an empty one, answers in the place of the one that was watched. Nothing of it counts.
func TestAPIServerIsRestoredEmpty(t *testing.T) {
	t.Parallel()
	v := newTown(t, options{admin: true})
	stream := v.stream(t, v.client)
	state, err := v.kube.SaveState(t.Context())
	must(t, err)
	must(t, v.kube.RestoreState(within(t), cluster.State{}))
	v.sourceIs(t, "in trouble", kubeSource, func(s debug.Source) bool { return strings.Contains(s.Trouble, "another cluster") })
	pass(t, 2*time.Second)
	must(t, v.kube.RestoreState(within(t), state))
	v.write(t, 200)
	v.sourceIs(t, "well", kubeSource, well)
	v.condition(t, metav1.ConditionTrue)
	if now := v.stream(t, v.client); !now.Equal(stream) {
		t.Errorf("the client's stream is of %s, and was of %s", now, stream)
	}
	v.ended(t, kubeSource, 0, 0)
	v.finish(t)
}

const strict = `
apiVersion: outrigger.dev/v1alpha1
kind: AuthenticationPolicy
metadata: {name: cart, namespace: shop}
spec:
  selector: {matchLabels: {app: cart}}
  peer: {mode: Strict}
`

// The definitions of our kinds are deleted, and with them all policies. None of them counts as gone: a port that took
// nobody without a certificate takes nobody.
func TestDefinitionsAreDeleted(t *testing.T) {
	t.Parallel()
	v := newTown(t, options{})
	outsider := &pod{Pod: v.lab.Pod(t, "outsider")}
	target := fmt.Sprintf("%s:%d", v.pods[0].IPv4, port)
	must(t, v.kube.Apply(t.Context(), strict))
	eventually(t, "plain text is refused", func(ctx context.Context) error {
		if _, _, err := outsider.get(ctx, target); err == nil {
			return errors.New("it was answered")
		}
		return nil
	})
	intruder := intrude(t, outsider, target)
	must(t, v.kube.DeleteCRDs(within(t)))
	v.sourceIs(t, "in trouble", policiesSource, func(s debug.Source) bool {
		return strings.Contains(s.Trouble, "no such CustomResourceDefinition")
	})
	pass(t, 3*time.Second)
	must(t, v.kube.ApplyCRDs(within(t)))
	must(t, v.kube.Apply(t.Context(), meshConfig))
	must(t, v.kube.Apply(t.Context(), strict))
	v.sourceIs(t, "well", policiesSource, well)
	v.condition(t, metav1.ConditionTrue)
	intruder.finish(t)
	v.finish(t)
}

// soon is how long what has to be read a second time may take.
const soon = 10 * time.Second

// Most pods of a service go for good, shortly after trouble. Second reads say so, and soon nothing is held.
func TestPodsGoAfterTrouble(t *testing.T) {
	t.Parallel()
	v := newTown(t, options{})
	must(t, v.toKube.Set(fault.Cut()))
	v.sourceIs(t, "in trouble", kubeSource, troubled)
	must(t, v.toKube.Set(fault.Pass()))
	v.sourceIs(t, "well", kubeSource, well)
	v.witness.dies(v.pods[1:]...)
	for _, p := range v.pods[1:] {
		v.remove(t, p)
	}
	began := time.Now()
	v.client.knowsAll(t, cart, all(append(v.old, v.pods[0])...))
	v.sourceIs(t, "well", kubeSource, well)
	if took := time.Since(began); took > soon {
		t.Errorf("something was held for %s after the pods had gone, want %s at most", took, soon)
	}
	if v.metric(t, "outrigger_source_confirmations_total", label("source", kubeSource), label("result", "confirmed")) == 0 {
		t.Error("nothing was read a second time")
	}
	v.finish(t)
}
