package mesh_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"outrigger.dev/outrigger/test/cluster"
	"outrigger.dev/outrigger/test/fault"
	"outrigger.dev/outrigger/xds/debug"
)

// The leader of three servers is killed, then the server that the control plane asks. Nothing is lost, and what changes
// later is told.
func TestConsul16LeaderIsLost(t *testing.T) {
	t.Parallel()
	v := newTown(t, options{consulServers: 3})
	leader, err := v.consul.KillLeader(t.Context())
	must(t, err)
	if leader == v.asked {
		t.Fatal("the leader was to be another server than the one that is asked")
	}
	_, err = v.consul.AwaitLeader(within(t))
	must(t, err)
	another := v.instance(t, "legacy-5", cart)
	v.client.knowsAll(t, cart, all(append(v.everybody(), another)...))
	v.witness.lives(another)
	must(t, leader.Start(within(t)))
	must(t, leader.AwaitReady(within(t)))

	v.asked.Kill()
	v.sourceIs(t, "in trouble", consulSource, troubled)
	v.condition(t, metav1.ConditionFalse, consulSource)
	_, err = v.consul.AwaitLeader(within(t))
	must(t, err)
	v.witness.dies(v.old[0])
	v.deregister(t, v.old[0])
	must(t, v.asked.Start(within(t)))
	v.client.knowsAll(t, cart, all(append(append(v.old[1:4:4], v.pods...), another)...))
	v.sourceIs(t, "well", consulSource, well)
	v.condition(t, metav1.ConditionTrue)
	v.ended(t, kubeSource, 0, 0)
	v.finish(t)
}

// The token loses its rights: Consul answers with 200 and with nothing in it.
func TestConsul04TokenIsDowngraded(t *testing.T) {
	t.Parallel()
	v := newTown(t, options{})
	must(t, v.consul.SetRules(t.Context(), v.token, `service_prefix "nothing" { policy = "read" }`))
	v.stirred(t, "filtered", func(s debug.Source) bool { return strings.Contains(s.Trouble, "filtered") })
	v.condition(t, metav1.ConditionFalse, consulSource, "filtered")
	pass(t, 3*time.Second)
	// A change in Kubernetes goes on its way all the same.
	another := v.plain(t, "cart-5", node)
	v.client.knowsAll(t, cart, all(append(v.everybody(), another)...))
	v.witness.lives(another)
	must(t, v.consul.SetRules(t.Context(), v.token, cluster.ReadRules))
	v.stirred(t, "well", well)
	v.condition(t, metav1.ConditionTrue)
	if n := v.metric(t, "outrigger_source_held_ended_total", label("source", consulSource), label("end", "dead")); n != 0 {
		t.Errorf("%v endpoints were taken for dead", n)
	}
	v.finish(t)
}

// stirred waits until `outrigger sources` says so of Consul, and changes something there again and again: a query that waits goes
// by the rights that it began with.
func (v *town) stirred(t *testing.T, what string, check func(debug.Source) bool) {
	t.Helper()
	i := entry(v.old[0], "stirred")
	i.ID = i.Service
	v.sourceIs(t, what, consulSource, func(s debug.Source) bool {
		i.Tags = []string{time.Now().String()}
		must(t, v.consul.Register(t.Context(), i))
		return check(s)
	})
}

// Shortly after trouble most of a service goes in each registry, while the pods run on: the control plane reads it a second
// time, from the leader and from etcd, before it believes it.
func TestMassDropIsReadAgain(t *testing.T) {
	t.Parallel()
	v := newTown(t, options{readable: true})
	for _, proxy := range []*fault.Proxy{v.toKube, v.toConsul} {
		must(t, proxy.Set(fault.Cut()))
	}
	v.sourceIs(t, "in trouble", kubeSource, troubled)
	v.sourceIs(t, "in trouble", consulSource, troubled)
	for _, proxy := range []*fault.Proxy{v.toKube, v.toConsul} {
		must(t, proxy.Set(fault.Pass()))
	}
	v.sourceIs(t, "well", kubeSource, well)
	v.sourceIs(t, "well", consulSource, well)
	for name, n := range v.rereads() {
		if n != 0 {
			t.Errorf("%s was read a second time before anything went: %d", name, n)
		}
	}
	v.witness.dies(v.pods...)
	v.witness.dies(v.old[1:]...)
	for i := 1; i < 4; i++ {
		v.deregister(t, v.old[i])
	}
	v.patch(t, cart, `{"spec": {"selector": {"app": "nobody"}}}`)
	v.client.knowsAll(t, cart, all(v.old[0]))
	v.sourceIs(t, "well", kubeSource, well)
	v.sourceIs(t, "well", consulSource, well)
	for name, n := range v.rereads() {
		if n == 0 {
			t.Errorf("%s was not read a second time", name)
		}
	}
	for _, source := range []string{kubeSource, consulSource} {
		if n := v.metric(t, "outrigger_source_confirmations_total", label("source", source), label("result", "confirmed")); n == 0 {
			t.Errorf("%s: no second read is counted", source)
		}
		if n := v.metric(t, "outrigger_source_held_ended_total", label("source", source), label("end", "dead")); n == 0 {
			t.Errorf("%s: no dead endpoint is counted", source)
		}
	}
	v.finish(t)
}

// rereads counts the second reads that went through the proxies, by what was read.
func (v *town) rereads() map[string]int {
	count := map[string]int{}
	for what, where := range map[string]struct {
		proxy *fault.Proxy
		is    func(line string) bool
	}{
		"the service in Kubernetes": {v.toKube, func(line string) bool {
			return strings.Contains(line, "GET /api/v1/namespaces/shop/services/cart")
		}},
		"its slices in etcd": {v.toKube, func(line string) bool {
			return strings.Contains(line, "GET /apis/discovery.k8s.io/v1/namespaces/shop/endpointslices?") && !strings.Contains(line, "resourceVersion=0")
		}},
		"the instances from Consul's leader": {v.toConsul, func(line string) bool {
			return strings.Contains(line, "GET /v1/health/service/cart?") && strings.Contains(line, "consistent")
		}},
	} {
		count[what] = 0
		for _, c := range where.proxy.Log() {
			for line := range strings.Lines(string(c.Sent)) {
				if strings.HasPrefix(line, "GET ") && where.is(line) {
					count[what]++
				}
			}
		}
	}
	return count
}

// A Consul that the MeshConfig names is watched for as long as it does.
func TestConsulOfTheMeshConfig(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{withoutConsul: true})
	var err error
	w.consul, err = cluster.OpenConsul(context.WithoutCancel(t.Context()), cluster.ConsulOptions{})
	must(t, err)
	token, err := w.consul.MakeToken(t.Context(), cluster.ReadRules)
	must(t, err)
	file := filepath.Join(w.Dir(), "second.token")
	must(t, token.WriteFile(file))
	address := w.service(t, cart, map[string]string{"outrigger.dev/consul-service": "second/" + cart})
	w.instance(t, "legacy-1", cart)
	w.start(t, "cart-1", cart)
	client := w.start(t, "client", "client")
	client.answeredBy(t, address, "cart-1")
	must(t, w.kube.Apply(t.Context(), meshConfig+fmt.Sprintf("  consul: [{name: second, address: %q, tokenFile: %q, caFile: %q}]\n",
		w.consul.URL(), file, w.consul.CAFile())))
	client.answeredBy(t, address, "cart-1", "legacy-1")
	w.sourceIs(t, "well", "consul/second", well)
	w.condition(t, metav1.ConditionTrue)
	must(t, w.kube.Apply(t.Context(), meshConfig+"  consul: []\n"))
	client.answeredBy(t, address, "cart-1")
	sources, err := w.Sources(t.Context())
	must(t, err)
	if _, still := sources["consul/second"]; still {
		t.Error("the Consul that nobody names is shown still")
	}
}

// A pod that both registries know is always spoken to as its sidecar expects.
func TestConsul13SamePodInBoth(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	address := w.service(t, cart, map[string]string{"outrigger.dev/consul-service": cart})
	twin := w.start(t, "cart-1", cart)
	w.register(t, twin, cart)
	other := w.instance(t, "legacy-1", cart)
	client := w.start(t, "client", "client")
	client.knowsAll(t, cart, all(twin, other))
	for range 20 {
		name, body, err := client.get(t.Context(), address)
		must(t, err)
		if secured := strings.Contains(body, "URI=spiffe://cluster.local/ns/shop/sa/client"); secured != (name == twin.Name) {
			t.Errorf("the answer is %q", body)
		}
	}
}
