package capture_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

	"outrigger.dev/outrigger/deploy/capture"
	"outrigger.dev/outrigger/test/load"
	"outrigger.dev/outrigger/test/rig"
)

// silentLimit is above the half minute that passes until silence is noticed.
const silentLimit = time.Minute

// twins are two pods without sidecars behind one service that speaks HTTP/2.
const twins = `---
apiVersion: v1
kind: Service
metadata: {name: twins, namespace: test}
spec: {clusterIPs: [10.96.0.11], selector: {app: twins}, ports: [{name: http2, port: 8080}]}
---
apiVersion: outrigger.dev/v1alpha1
kind: Workload
metadata: {name: first, namespace: test, labels: {app: twins}}
spec: {addresses: [<first.4>], serviceAccountName: first}
---
apiVersion: outrigger.dev/v1alpha1
kind: Workload
metadata: {name: second, namespace: test, labels: {app: twins}}
spec: {addresses: [<second.4>], serviceAccountName: second}
`

// A machine is gone in the midst of requests, which share one connection to it. It is noticed that nothing is acknowledged, the pod is
// ejected, and from then on no request is lost. Without that, the kernel would go on for a quarter of an hour.
func TestConnectionOfManyRequestsFallsSilent(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"mesh.yaml": workload("client") + twins}, "client", "first", "second")
	client, first := r.join(t, "client", capture.Exclusions{}), r.pods["first"]
	first.multiplexed(t)
	r.pods["second"].multiplexed(t)
	r.Synced(t, "client")
	dial := func(ctx context.Context, _, address string) (net.Conn, error) {
		return client.DialAs(ctx, program, address)
	}
	l := load.Start(t.Context(), load.Config{URL: "http://10.96.0.11:8080", Timeout: silentLimit, Dial: dial})
	t.Cleanup(func() { l.Stop() })
	await(t, "both are spoken to", func() bool {
		return client.stat(t, `^cluster\.outbound.*\.upstream_cx_active$`) == 2 && l.Sent() > 100
	})

	if err := first.Silence(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	await(t, "the silent one is ejected", func() bool {
		return client.stat(t, `^cluster\.outbound.*\.outlier_detection\.ejections_active$`) == 1
	})
	ejected, sent := time.Now(), l.Sent()
	await(t, "requests go on", func() bool { return l.Sent() > sent+500 })
	report := l.Stop()
	t.Logf("ejected after %s; %s", ejected.Sub(began).Round(time.Millisecond), report)
	for _, failed := range report.Failed() {
		if failed.Began.After(ejected) {
			t.Error(failed)
		}
	}
}

// await waits for what must come in time.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick, late := time.NewTicker(20*time.Millisecond), time.NewTimer(silentLimit)
	defer tick.Stop()
	defer late.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-late.C:
			t.Fatalf("%s: not in %s", what, silentLimit)
		}
	}
}

// multiplexed serves HTTP/2 without TLS.
func (p *pod) multiplexed(t *testing.T) {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{ReadHeaderTimeout: rig.Limit, Protocols: protocols, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, p.Name)
	})}
	p.run(t, server, fmt.Sprintf(":%d", portHTTP))
}
