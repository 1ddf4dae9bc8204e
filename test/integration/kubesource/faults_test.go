package kubesource_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/discovery/kube"
	"outrigger.dev/outrigger/test/cluster"
	"outrigger.dev/outrigger/test/fault"
)

// web is a service with two pods.
var web = discovery.ServiceID{Namespace: "shop", Name: "web"}

const (
	first  = "80 10.0.0.1:80 healthy"
	second = "80 10.0.0.2:80 healthy"
	third  = "80 10.0.0.3:80 healthy"
)

// fill writes web, and waits until the controller has seen it.
func fill(t *testing.T, k *cluster.Kube) {
	t.Helper()
	_, err := k.AddService(t.Context(), cluster.NewService("shop", "web", 80))
	must(t, err)
	addPod(t, k, 1)
	addPod(t, k, 2)
	must(t, k.AwaitEndpoints(t.Context(), "shop", "web", "10.0.0.1", "10.0.0.2"))
}

func addPod(t *testing.T, k *cluster.Kube, number int) {
	t.Helper()
	_, err := k.AddPod(t.Context(), cluster.Pod{
		Namespace: "shop", Name: fmt.Sprintf("web-%d", number), Node: node,
		Labels: map[string]string{"app": "web"}, IPs: []string{fmt.Sprintf("10.0.0.%d", number)},
	})
	must(t, err)
}

// started is a cluster with web, and a source that has read it.
func started(t *testing.T, r *registry) *reading {
	t.Helper()
	fill(t, r.kube)
	all := read(t, r.source(t))
	all.await("the first state", all.inGoodOrder)
	if !all.has("web", first, second)() {
		t.Fatalf("the first state has %v", all.print("web"))
	}
	return all
}

// A connection that hangs is noticed within 15 seconds, and left for a new one.
func TestHang(t *testing.T) {
	r := open(t)
	all := started(t, r)
	must(t, r.proxy.Set(fault.Hang()))
	all.within(15*time.Second, "the trouble", func() bool { return errors.Is(all.trouble, kube.ErrUnreachable) })
	addPod(t, r.kube, 3)
	must(t, r.proxy.Set(fault.Pass()))
	all.await("its end", func() bool { return all.inGoodOrder() && all.has("web", first, second, third)() })
}

// A source that cannot open a new connection either says so until it can.
func TestHangForLong(t *testing.T) {
	r := open(t)
	all := started(t, r)
	must(t, r.proxy.Set(fault.Hang()))
	all.within(15*time.Second, "the trouble", func() bool { return all.trouble != nil })
	all.quiet(12*time.Second, "trouble, and both endpoints", func() bool { return all.trouble != nil && all.has("web", first, second)() })
	must(t, r.proxy.Set(fault.Cut()))
	addPod(t, r.kube, 3)
	must(t, r.proxy.Set(fault.Pass()))
	all.await("its end", func() bool { return all.inGoodOrder() && all.has("web", first, second, third)() })
}

// noise is a text that nobody can compress to less than half.
func noise(length int) string {
	text := make([]byte, length)
	for i := range text {
		text[i] = '!' + byte(rand.N(90))
	}
	return string(text)
}

// A full state that breaks off in the middle is none.
func TestBreakOff(t *testing.T) {
	r := open(t)
	fill(t, r.kube)
	large := cluster.NewService("shop", "large", 80)
	large.Annotations = map[string]string{"example.com/large": noise(100_000)}
	_, err := r.kube.AddService(t.Context(), large)
	must(t, err)
	must(t, r.proxy.Set(fault.ResetAfter(20_000)))
	all := read(t, r.source(t))
	all.await("the trouble", func() bool { return all.trouble != nil })
	all.quiet(3*time.Second, "no state that broke off", func() bool { return !all.synced })
	must(t, r.proxy.Set(fault.Pass()))
	all.await("the first state", func() bool { return all.inGoodOrder() && all.has("web", first, second)() })
}

// Rights that are taken away take no endpoint away.
func TestDenied(t *testing.T) {
	r := open(t)
	all := started(t, r)
	must(t, r.kube.SetRules(t.Context(), "outrigger-system", "outrigger", rules()[:3]...))
	r.proxy.Drop()
	all.await("the trouble", func() bool { return errors.Is(all.trouble, kube.ErrDenied) })
	all.quiet(5*time.Second, "trouble, and both endpoints", func() bool { return all.trouble != nil && all.has("web", first, second)() })
	must(t, r.kube.SetRules(t.Context(), "outrigger-system", "outrigger", rules()...))
	all.await("its end", func() bool { return all.inGoodOrder() && all.has("web", first, second)() })
}

func TestAPIServerKilled(t *testing.T) {
	k := cluster.StartKube(t, cluster.KubeOptions{})
	all := started(t, behindProxy(t, k))
	k.KillAPIServer()
	all.within(15*time.Second, "the trouble", func() bool { return all.trouble != nil })
	all.quiet(3*time.Second, "both endpoints", all.has("web", first, second))
	must(t, k.StartAPIServer(t.Context()))
	all.await("its end", func() bool { return all.inGoodOrder() && all.has("web", first, second)() })
	addPod(t, k, 3)
	all.await("a change", all.has("web", first, second, third))
}

// An API server that comes back with an older state is in trouble before it takes anything away.
func TestRestored(t *testing.T) {
	k := cluster.StartKube(t, cluster.KubeOptions{})
	r := behindProxy(t, k)
	must(t, k.AddNamespace(t.Context(), "shop"))
	before, err := k.SaveState(t.Context())
	must(t, err)
	all := started(t, r)
	must(t, k.RestoreState(t.Context(), before))
	all.await("the loss", func() bool {
		if all.print("web") == nil && all.trouble == nil {
			t.Fatal("endpoints go without a word of trouble")
		}
		return all.services[web] == nil
	})
	fill(t, k)
	all.await("the state of now", all.has("web", first, second))
}

// Kinds that are deleted take no machine away: the server deletes the objects first, and then the kind.
func TestCRDsDeleted(t *testing.T) {
	k := cluster.StartKube(t, cluster.KubeOptions{})
	r := behindProxy(t, k)
	must(t, k.AddNamespace(t.Context(), "shop"))
	must(t, k.Apply(t.Context(), `apiVersion: outrigger.dev/v1alpha1
kind: Workload
metadata: {namespace: shop, name: vm-3, labels: {app: web}}
spec: {addresses: [10.0.0.3]}
`))
	fill(t, k)
	all := read(t, r.source(t))
	all.await("the first state", func() bool { return all.inGoodOrder() && all.has("web", first, second, third)() })
	must(t, k.DeleteCRDs(t.Context()))
	all.await("the trouble", func() bool { return errors.Is(all.trouble, kube.ErrMissing) })
	all.quiet(5*time.Second, "trouble, and all endpoints", func() bool { return all.trouble != nil && all.has("web", first, second, third)() })
	must(t, k.ApplyCRDs(t.Context()))
	all.await("its end", func() bool { return all.inGoodOrder() && all.has("web", first, second)() })
}

// overheard has the source ask through a proxy that keeps what is said.
func overheard(t *testing.T, r *registry) *fault.Proxy {
	t.Helper()
	proxy, err := fault.Listen(fault.Config{Target: r.kube.Host(), Keep: 1 << 20, TLS: r.kube.TLS()})
	must(t, err)
	t.Cleanup(proxy.Close)
	r.access = r.access.Via(proxy.Addr())
	return proxy
}

// The second reading asks etcd: its lists name no version. The proxy's log tells.
func TestConfirmAsksConsistently(t *testing.T) {
	r := open(t)
	proxy := overheard(t, r)
	all := started(t, r)
	set, err := all.source.Confirm(t.Context(), web)
	must(t, err)
	if !set.Equal(all.endpoints[web]) {
		t.Errorf("it confirms %v, and said %v", printSet(set), all.print("web"))
	}
	asked := []byte("GET /apis/discovery.k8s.io/v1/namespaces/shop/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3Dweb HTTP/1.1")
	found := false
	for _, connection := range proxy.Log() {
		found = found || bytes.Contains(connection.Sent, asked)
	}
	if !found {
		t.Errorf("nobody asked %s", asked)
	}
	must(t, r.kube.Client().CoreV1().Services("shop").Delete(t.Context(), "web", metav1.DeleteOptions{}))
	if set, err = all.source.Confirm(t.Context(), web); set != nil || err != nil {
		t.Errorf("a service that is gone is confirmed as %v, %v", set, err)
	}
}

// What the real controllers make of pods, families, names of ports, and ends.
func TestControllers(t *testing.T) {
	r := open(t)
	all := started(t, r)
	both := corev1.IPFamilyPolicyRequireDualStack
	dual := cluster.NewService("shop", "dual", 80)
	dual.Spec.Selector = map[string]string{"app": "dual"}
	dual.Spec.IPFamilyPolicy = &both
	_, err := r.kube.AddService(t.Context(), dual)
	must(t, err)
	_, err = r.kube.AddPod(t.Context(), cluster.Pod{
		Namespace: "shop", Name: "dual-1", Node: node, Labels: map[string]string{"app": "dual", kube.LabelProxy: kube.ProxySidecar},
		ServiceAccount: "dual", IPs: []string{"10.0.1.1", "fd00::1"},
	})
	must(t, err)
	all.await("both families in one endpoint", all.has("dual", "80 10.0.1.1:80 healthy or [fd00::1]:80"))
	id := discovery.WorkloadID{Namespace: "shop", Name: "dual-1"}
	e := all.endpoints[discovery.ServiceID{Namespace: "shop", Name: "dual"}].Ports[0].Endpoints[0]
	w := all.workloads[id]
	where := discovery.Locality{Region: "eu", Zone: "eu-1"}
	if e.Workload != id || e.Locality != where || w == nil || !w.Sidecar || w.ServiceAccount != "dual" || w.Locality != where || w.Node != node || w.UID == "" {
		t.Errorf("the endpoint is %+v, its workload %+v", e, w)
	}
	must(t, r.kube.TerminatePod(t.Context(), "shop", "web-1"))
	all.await("the pod drains", all.has("web", "80 10.0.0.1:80 draining", second))
	must(t, r.kube.TerminatePod(t.Context(), "shop", "web-2"))
	all.await("all pods end and are still used", all.has("web", first, second))
	must(t, r.kube.RemovePod(t.Context(), "shop", "web-1"))
	must(t, r.kube.RemovePod(t.Context(), "shop", "web-2"))
	all.await("a scale to zero", all.has("web"))
	if all.trouble != nil || all.services[web] == nil {
		t.Errorf("trouble %v, service %v", all.trouble, all.services[web])
	}
}
