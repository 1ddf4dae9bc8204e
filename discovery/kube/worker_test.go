package kube

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"outrigger.dev/outrigger/discovery"
)

// serviceYAML is a Service with one port.
func serviceYAML(name string) string {
	return fmt.Sprintf(`{apiVersion: v1, kind: Service, metadata: {name: %s, namespace: shop},
spec: {clusterIPs: [10.96.0.10], selector: {app: %s}, ports: [{port: 80}]}}`, name, name)
}

// sliceYAML is the slice of cart; each endpoint is an address with its state: "10.0.0.1 unready".
func sliceYAML(endpoints ...string) string {
	lines := make([]string, 0, len(endpoints))
	for _, e := range endpoints {
		address, state, _ := strings.Cut(e, " ")
		conditions := map[string]string{
			"": "", "unready": "ready: false, serving: false", "leaving": "ready: false, serving: true, terminating: true",
		}[state]
		lines = append(lines, fmt.Sprintf("{addresses: [%s], conditions: {%s}}", address, conditions))
	}
	return fmt.Sprintf(`{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, ports: [{port: 8080}],
metadata: {name: cart-a, namespace: shop, labels: {kubernetes.io/service-name: cart}}, endpoints: [%s]}`, strings.Join(lines, ", "))
}

func podYAML(name, address string) string {
	return fmt.Sprintf(`{apiVersion: v1, kind: Pod, metadata: {name: %s, namespace: shop, uid: %s-1}, spec: {nodeName: node-a},
status: {phase: Running, podIP: %s}}`, name, name, address)
}

func nodeYAML(zone string) string {
	return fmt.Sprintf(`{apiVersion: v1, kind: Node, metadata: {name: node-a, labels: {topology.kubernetes.io/zone: %s}}}`, zone)
}

// healths prints the endpoints of cart in an update: "10.0.0.1:8080 healthy, ...".
func healths(u discovery.Update) string {
	set := u.Endpoints[discovery.ShardID{Service: cart, Source: testID}]
	if set == nil {
		return "not sent"
	}
	var lines []string
	for _, port := range set.Ports {
		for _, e := range port.Endpoints {
			lines = append(lines, e.Address.String()+" "+e.Health.String())
		}
	}
	return strings.Join(lines, ", ")
}

// An endpoint that is not ready for less than two seconds is never told, save that it ends.
func TestShortUnreadiness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel(t)
		m.load(t, serviceYAML("cart"))
		m.load(t, sliceYAML("10.0.0.1", "10.0.0.2", "10.0.0.3 unready"))
		say := func(what, want string) {
			t.Helper()
			if got := healths(m.take(t)); got != want {
				t.Errorf("%s: %s; want %s", what, got, want)
			}
		}
		if got := healths(m.begin(t)); got != "10.0.0.1:8080 healthy, 10.0.0.2:8080 healthy, 10.0.0.3:8080 unhealthy" {
			t.Errorf("at first: %s", got)
		}
		m.event(t, sliceYAML("10.0.0.1 unready", "10.0.0.2", "10.0.0.3 unready"), false)
		say("when it is not ready", "not sent")
		pass(steady - time.Millisecond)
		say("just before two seconds", "not sent")
		m.event(t, sliceYAML("10.0.0.1", "10.0.0.2", "10.0.0.3 unready"), false)
		say("when it is ready again", "not sent")
		m.event(t, sliceYAML("10.0.0.1 unready", "10.0.0.2", "10.0.0.3 unready"), false)
		say("when it is not ready once more", "not sent")
		pass(time.Second)
		m.event(t, sliceYAML("10.0.0.1 unready", "10.0.0.2 unready", "10.0.0.3 unready"), false)
		say("when another one is not ready", "not sent")
		pass(time.Second)
		say("after two seconds", "10.0.0.1:8080 unhealthy, 10.0.0.2:8080 healthy, 10.0.0.3:8080 unhealthy")
		pass(time.Second)
		say("after the other one's two seconds", "10.0.0.1:8080 unhealthy, 10.0.0.2:8080 unhealthy, 10.0.0.3:8080 unhealthy")
		m.event(t, sliceYAML("10.0.0.1", "10.0.0.2"), false)
		say("when they are ready", "10.0.0.1:8080 healthy, 10.0.0.2:8080 healthy")
		m.event(t, sliceYAML("10.0.0.1 leaving", "10.0.0.2"), false)
		say("when one ends", "10.0.0.1:8080 draining, 10.0.0.2:8080 healthy")
		m.event(t, sliceYAML("10.0.0.1 leaving", "10.0.0.2 leaving"), false)
		say("when all end", "10.0.0.1:8080 healthy, 10.0.0.2:8080 healthy")
	})
}

// A pod that is not ready for less than two seconds is never told to be: what another registry has at its address goes by it. One that
// ends, or takes its name, is told at once.
func TestShortUnreadinessOfAPod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel(t)
		pod := podYAML("cart-1", "10.0.0.1")
		unready := strings.Replace(pod, "status: {", "status: {conditions: [{type: Ready, status: 'False'}], ", 1)
		id := discovery.WorkloadID{Namespace: "shop", Name: "cart-1"}
		m.load(t, pod)
		m.begin(t)
		say := func(what, want string) {
			t.Helper()
			got := "not sent"
			if w, sent := m.take(t).Workloads[id]; sent && w == nil {
				got = "gone"
			} else if sent {
				got = w.Health.String()
			}
			if got != want {
				t.Errorf("%s: %s; want %s", what, got, want)
			}
		}
		m.event(t, unready, false)
		say("when it is not ready", "not sent")
		pass(steady - time.Millisecond)
		say("just before two seconds", "not sent")
		m.event(t, pod, false)
		say("when it is ready again", "not sent")
		pass(steady)
		say("later", "not sent")
		m.event(t, unready, false)
		say("when it is not ready once more", "not sent")
		pass(steady)
		say("after two seconds", "unhealthy")
		pass(steady)
		say("later", "not sent")
		m.event(t, pod, false)
		say("when it is ready", "healthy")
		m.event(t, unready, false)
		m.event(t, strings.Replace(unready, "namespace: shop,", "namespace: shop, deletionTimestamp: '2026-11-01T00:00:00Z',", 1), false)
		say("when it ends", "draining")
		m.event(t, pod, false)
		say("when it is ready", "healthy")
		m.event(t, strings.Replace(unready, "cart-1-1", "cart-1-2", 1), false)
		say("when another one has its name", "unhealthy")
		m.event(t, pod, false)
		say("when it is ready", "healthy")
		m.event(t, unready, false)
		m.event(t, unready, true)
		say("when it is gone", "gone")
		if len(m.worker.unready) > 0 {
			t.Errorf("%v are remembered", m.worker.unready)
		}
	})
}

// The worker looks again by itself when a pod's time is over.
func TestTimerOfAPod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel(t)
		pod := podYAML("cart-1", "10.0.0.1")
		m.load(t, pod)
		m.begin(t)
		out, stop := running(t, m)
		defer stop()
		begun := time.Now()
		m.event(t, strings.Replace(pod, "status: {", "status: {conditions: [{type: Ready, status: 'False'}], ", 1), false)
		m.wakeUp()
		if update := <-out; len(update.Workloads) != 1 || time.Since(begun) != steady {
			t.Errorf("after %v: %v", time.Since(begun), update.Workloads)
		}
	})
}

// pass lets time pass, in a bubble.
func pass(d time.Duration) { <-time.NewTimer(d).C }

// running is a worker that runs, with its reader's channel.
func running(t *testing.T, m *model) (chan discovery.Update, func()) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	out, ended := make(chan discovery.Update), make(chan error, 1)
	go func() { ended <- m.worker.run(ctx, out) }()
	return out, func() {
		stop()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the worker ended with %v", err)
		}
	}
}

func TestTimerOfTheWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel(t)
		m.load(t, serviceYAML("cart"))
		m.load(t, sliceYAML("10.0.0.1", "10.0.0.2"))
		m.begin(t)
		out, stop := running(t, m)
		defer stop()
		begun := time.Now()
		m.event(t, sliceYAML("10.0.0.1 unready", "10.0.0.2"), false)
		m.wakeUp()
		update := <-out
		if got := healths(update); got != "10.0.0.1:8080 unhealthy, 10.0.0.2:8080 healthy" || time.Since(begun) != steady {
			t.Errorf("after %v: %s", time.Since(begun), got)
		}
	})
}

// Changes merge while nobody receives, and what comes back to what the reader knows is not sent.
func TestMergeWhileUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel(t)
		m.load(t, serviceYAML("cart"))
		m.load(t, sliceYAML("10.0.0.1"))
		m.begin(t)
		out, stop := running(t, m)
		defer stop()
		first := time.Now()
		for i := 2; i < 9; i++ {
			m.event(t, sliceYAML(fmt.Sprintf("10.0.0.%d", i)), false)
			m.event(t, serviceYAML(fmt.Sprintf("s%d", i)), false)
			m.wakeUp()
			pass(time.Second)
		}
		m.event(t, serviceYAML("s8"), true)
		m.wakeUp()
		synctest.Wait()
		update := <-out
		if got := healths(update); got != "10.0.0.8:8080 healthy" {
			t.Errorf("the last one does not win: %s", got)
		}
		if len(update.Services) != 6 || !update.ReadAt.Equal(first) {
			t.Errorf("services %v, read %v after the first", slices.Collect(maps.Keys(update.Services)), update.ReadAt.Sub(first))
		}
	})
}

// What is lost is built before everything else that waits.
func TestLossesFirst(t *testing.T) {
	m := newModel(t)
	m.load(t, serviceYAML("cart"))
	m.load(t, sliceYAML("10.0.0.1", "10.0.0.2"))
	m.load(t, podYAML("cart-1", "10.0.0.1"))
	m.begin(t)
	for i := range 5000 {
		m.event(t, serviceYAML(fmt.Sprintf("s%d", i)), false)
	}
	m.event(t, sliceYAML("10.0.0.1", "10.0.0.2 leaving"), false)
	m.event(t, podYAML("cart-1", "10.0.0.1"), true)
	if !m.worker.step() {
		t.Fatal("nothing is left to build")
	}
	update, ready := m.worker.pending(true)
	if healths(update) != "10.0.0.1:8080 healthy, 10.0.0.2:8080 draining" || !ready || len(update.Services) > 0 || len(update.Workloads) != 1 {
		t.Errorf("first comes %s, %d services, %d workloads", healths(update), len(update.Services), len(update.Workloads))
	}
	m.worker.sent(update)
	if rest := m.take(t); len(rest.Services) != 5000 || len(rest.Endpoints) != 5000 {
		t.Errorf("then come %d services", len(rest.Services))
	}
}

// A node that moves takes its pods and endpoints along.
func TestNodeMoves(t *testing.T) {
	m := newModel(t)
	m.load(t, serviceYAML("cart"))
	m.load(t, strings.Replace(sliceYAML("10.0.0.1"), "conditions: {}", "nodeName: node-a", 1))
	m.load(t, podYAML("cart-1", "10.0.0.1"))
	m.begin(t)
	m.event(t, nodeYAML("eu-1"), false)
	update := m.take(t)
	want := discovery.Locality{Zone: "eu-1"}
	workload := update.Workloads[discovery.WorkloadID{Namespace: "shop", Name: "cart-1"}]
	set := update.Endpoints[discovery.ShardID{Service: cart, Source: testID}]
	if workload == nil || workload.Locality != want || set == nil || set.Ports[0].Endpoints[0].Locality != want || update.Nodes["node-a"] == nil {
		t.Errorf("the update is %+v", update)
	}
	m.event(t, podYAML("cart-1", "10.0.0.1"), false)
	if update := m.take(t); len(update.Workloads) > 0 {
		t.Error("a pod is sent again and did not change")
	}
	m.event(t, nodeYAML("eu-1"), true)
	if update := m.take(t); update.Nodes["node-a"] != nil || len(update.Nodes) != 1 || len(update.Workloads) != 1 {
		t.Errorf("a node is gone: %+v", update)
	}
}

// A machine that is written badly stays as it was, and the fault is named.
func TestMachineGoesBad(t *testing.T) {
	const good = `{apiVersion: outrigger.dev/v1alpha1, kind: Workload, metadata: {name: vm, namespace: shop, labels: {app: cart}}, spec: {addresses: [192.0.2.1]}}`
	m := newModel(t)
	m.load(t, serviceYAML("cart"))
	m.load(t, good)
	if got := healths(m.begin(t)); got != "192.0.2.1:80 healthy" {
		t.Fatalf("at first: %s", got)
	}
	id := discovery.ObjectID{Kind: kindWorkload, Namespace: "shop", Name: "vm"}
	m.event(t, strings.Replace(good, "192.0.2.1", "nonsense", 1), false)
	if update := m.take(t); healths(update) != "not sent" || len(update.Workloads) > 0 || len(update.Problems[id]) != 1 {
		t.Errorf("when it is bad: %+v", update)
	}
	m.event(t, good, false)
	if update := m.take(t); healths(update) != "not sent" || len(update.Workloads) > 0 || update.Problems[id] != nil {
		t.Errorf("when it is good again: %+v", update)
	}
	m.event(t, good, true)
	if update := m.take(t); healths(update) != "" || len(update.Workloads) != 1 {
		t.Errorf("when it is gone: %+v", update)
	}
}

// What is wrong with a slice goes with what made it wrong.
func TestProblemsEnd(t *testing.T) {
	m := newModel(t)
	m.load(t, sliceYAML("10.0.0.1"))
	id := discovery.ObjectID{Kind: kindSlice, Namespace: "shop", Name: "cart-a"}
	if update := m.begin(t); len(update.Problems[id]) != 1 {
		t.Errorf("without a service: %v", update.Problems)
	}
	m.event(t, serviceYAML("cart"), false)
	if update := m.take(t); len(update.Problems) != 1 || len(update.Problems[id]) > 0 || healths(update) != "10.0.0.1:8080 healthy" {
		t.Errorf("with the service: %v", update.Problems)
	}
	m.event(t, serviceYAML("cart"), true)
	if update := m.take(t); len(update.Problems[id]) != 1 || healths(update) != "not sent" || update.Endpoints == nil {
		t.Errorf("without it again: %v", update.Problems)
	}
	m.event(t, sliceYAML("10.0.0.1"), true)
	if update := m.take(t); len(update.Problems) != 1 || len(update.Problems[id]) > 0 {
		t.Errorf("without the slice: %v", update.Problems)
	}
}

// Trouble that was over before anybody asked is told all the same, before its end.
func TestShortTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel(t)
		m.load(t, serviceYAML("cart"))
		m.load(t, sliceYAML("10.0.0.1"))
		m.begin(t)
		out, stop := running(t, m)
		defer stop()
		m.mu.Lock()
		m.trouble.begin("endpointslices", ErrUnreachable)
		m.trouble.end("endpointslices")
		m.mu.Unlock()
		m.event(t, sliceYAML(), false)
		m.wakeUp()
		if update := <-out; !errors.Is(update.Trouble, ErrUnreachable) {
			t.Errorf("the first update has the trouble %v and %s", update.Trouble, healths(update))
		}
		if update := <-out; update.Trouble != nil || healths(update) != "not sent" {
			t.Errorf("the second update has the trouble %v and %s", update.Trouble, healths(update))
		}
	})
}

// Trouble of a second kind that adds no word to what was told does not outlive its end.
func TestTroubleWithoutNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel(t)
		m.load(t, serviceYAML("cart"))
		m.begin(t)
		out, stop := running(t, m)
		defer stop()
		say := func(change func()) {
			m.mu.Lock()
			change()
			m.mu.Unlock()
			m.wakeUp()
		}
		say(func() { m.trouble.begin("endpointslices", ErrUnreachable) })
		if update := <-out; !errors.Is(update.Trouble, ErrUnreachable) {
			t.Errorf("the trouble is %v", update.Trouble)
		}
		say(func() { m.trouble.begin("pods", ErrUnreachable) })
		synctest.Wait()
		say(func() {
			m.trouble.end("pods")
			m.trouble.end("endpointslices")
		})
		synctest.Wait()
		select {
		case update := <-out:
			if update.Trouble != nil {
				t.Errorf("the trouble is %v still", update.Trouble)
			}
		default:
			t.Error("nobody is told that the trouble is over")
		}
	})
}

// A new endpoint waits for its pod, but not for ever.
func TestEndpointBeforeItsPod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel(t)
		m.load(t, serviceYAML("cart"))
		withPods := func(addresses ...string) string {
			text := sliceYAML(addresses...)
			for i, address := range addresses {
				text = strings.Replace(text, "["+address+"]", fmt.Sprintf("[%s], targetRef: {kind: Pod, name: cart-%d}", address, i+1), 1)
			}
			return text
		}
		m.load(t, withPods("10.0.0.1"))
		if got := healths(m.begin(t)); got != "10.0.0.1:8080 healthy" {
			t.Errorf("of the first state: %s", got)
		}
		out, stop := running(t, m)
		defer stop()
		begun := time.Now()
		m.event(t, withPods("10.0.0.1", "10.0.0.2", "10.0.0.3"), false)
		m.wakeUp()
		pass(time.Second)
		m.event(t, podYAML("cart-2", "10.0.0.2"), false)
		m.wakeUp()
		update := <-out
		if update.Endpoints == nil {
			update = <-out
		}
		if got := healths(update); got != "10.0.0.1:8080 healthy, 10.0.0.2:8080 healthy" || time.Since(begun) != time.Second {
			t.Errorf("after %v: %s", time.Since(begun), got)
		}
		if got := healths(<-out); got != "10.0.0.1:8080 healthy, 10.0.0.2:8080 healthy, 10.0.0.3:8080 healthy" || time.Since(begun) != awaitPod {
			t.Errorf("after %v: %s", time.Since(begun), got)
		}
	})
}

// A namespace that is being removed is told, and then that it is gone; what does not concern the mesh is not.
func TestNamespaces(t *testing.T) {
	m := newModel(t)
	manifest := func(version, more string) string {
		return fmt.Sprintf(`{apiVersion: v1, kind: Namespace, metadata: {name: shop, resourceVersion: "%s", labels: {team: a}%s}}`, version, more)
	}
	m.load(t, manifest("1", ""))
	if got := m.begin(t).Namespaces["shop"]; !got.Equal(&discovery.Namespace{Name: "shop", Labels: map[string]string{"team": "a"}}) {
		t.Fatalf("at first: %+v", got)
	}
	m.event(t, manifest("2", ", annotations: {example.com/note: changed}"), false)
	if got := m.take(t).Namespaces; len(got) > 0 {
		t.Errorf("after an annotation: %v", got)
	}
	ending := ", deletionTimestamp: \"2026-11-01T00:00:00Z\""
	m.event(t, manifest("3", ending), false)
	if len(m.dirtyObjects.urgent) != 1 {
		t.Error("that a namespace is being removed waits behind what is new")
	}
	if got := m.take(t).Namespaces["shop"]; got == nil || !got.Terminating {
		t.Errorf("while it is removed: %+v", got)
	}
	m.event(t, manifest("4", ending), true)
	if got, told := m.take(t).Namespaces["shop"]; !told || got != nil {
		t.Errorf("after its removal: %+v, told %t", got, told)
	}
}
