package mesh_test

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"outrigger.dev/outrigger/test/load"
	"outrigger.dev/outrigger/test/rig"
)

// plainService is a service of workloads without sidecars and the client that calls it.
func plainService(workloads ...wlSpec) map[string]string {
	files := map[string]string{
		"service.yaml": service("server", "server", svcPort{80, portHTTP, "http"}),
		"client.yaml":  client(egress{portHTTP, "server", 80}),
	}
	for _, w := range workloads {
		files[w.name+".yaml"] = w.yaml()
	}
	return files
}

func plain(name string, host int) wlSpec { return wlSpec{name: name, app: "server", host: host} }

// names calls an address several times and counts who answered.
func names(t *testing.T, address string, calls int) map[string]int {
	t.Helper()
	seen := map[string]int{}
	for range calls {
		answer, err := get1(t, address)
		if err != nil {
			t.Fatal(err)
		}
		name, _, _ := strings.Cut(answer, " ")
		seen[name]++
	}
	return seen
}

func TestMixedServiceIsReachedBothWays(t *testing.T) {
	t.Parallel()
	inside := wlSpec{name: "inside", app: "server", host: 20, sidecar: true, ports: []int{portHTTP}}
	outside := plain("outside", 30)
	files := plainService(outside)
	files["inside.yaml"] = inside.yaml() + authn("inside", "server", "Strict")
	r := newRig(t, files)
	servePage(t, r.Addr(20, portHTTP+1000), "inside")
	servePage(t, r.Addr(30, portHTTP), "outside")
	r.Join(t, rig.Who("inside"))
	r.Join(t, rig.Who("client"))
	seen := map[string]int{}
	for range 40 {
		answer, err := get1(t, r.Addr(clientHost, portHTTP))
		if err != nil {
			t.Fatal(err)
		}
		name, rest, _ := strings.Cut(answer, " ")
		seen[name]++
		if secured := strings.Contains(rest, "URI="+rig.Identities+"client"); secured != (name == "inside") {
			t.Errorf("%s saw the caller's name: %t", name, secured)
		}
	}
	if seen["inside"] < 5 || seen["outside"] < 5 {
		t.Errorf("40 calls were answered by %v, want both", seen)
	}
}

func TestEndpointThatIsDownIsRetriedAndEjected(t *testing.T) {
	t.Parallel()
	r := newRig(t, plainService(plain("up", 20), plain("down", 30), plain("up-too", 40)))
	servePage(t, r.Addr(20, portHTTP), "up")
	servePage(t, r.Addr(40, portHTTP), "up-too")
	c := r.Join(t, rig.Who("client"))
	seen := names(t, r.Addr(clientHost, portHTTP), 60)
	if seen["up"] == 0 || seen["up-too"] == 0 {
		t.Errorf("60 calls were answered by %v, want both that are up", seen)
	}
	rig.Eventually(t, "the endpoint is ejected", func() error {
		if _, err := get1(t, r.Addr(clientHost, portHTTP)); err != nil {
			return err
		}
		stats, err := c.Stats(t.Context(), `outbound.*(upstream_rq_retry|outlier_detection\.ejections_active)$`)
		if err != nil {
			return err
		}
		var retries, ejected int64
		for name, n := range stats {
			if strings.HasSuffix(name, "ejections_active") {
				ejected += n
			} else {
				retries += n
			}
		}
		if retries == 0 || ejected != 1 {
			return fmt.Errorf("%d retries, %d ejected, want some and 1: %v", retries, ejected, stats)
		}
		return nil
	})
}

func TestUnhealthyAndDrainingEndpointsGetNoRequests(t *testing.T) {
	t.Parallel()
	r := newRig(t, plainService(plain("one", 20), plain("two", 30), plain("three", 40)))
	for host, name := range map[int]string{20: "one", 30: "two", 40: "three"} {
		servePage(t, r.Addr(host, portHTTP), name)
	}
	r.Join(t, rig.Who("client"))
	if seen := names(t, r.Addr(clientHost, portHTTP), 60); len(seen) != 3 {
		t.Fatalf("60 calls were answered by %v, want all three", seen)
	}
	l := load.Start(t.Context(), load.Config{URL: "http://" + r.Addr(clientHost, portHTTP)})
	defer l.Stop()
	for _, health := range []string{"Draining", "Unhealthy", "Draining"} {
		two := plain("two", 30)
		two.health = health
		r.Put(t, "two.yaml", two.yaml())
		rig.Eventually(t, health+" gets no request", func() error {
			if seen := names(t, r.Addr(clientHost, portHTTP), 30); seen["two"] != 0 {
				return fmt.Errorf("30 calls were answered by %v", seen)
			}
			return nil
		})
		r.Put(t, "two.yaml", plain("two", 30).yaml())
		rig.Eventually(t, "healthy gets requests again", func() error {
			if seen := names(t, r.Addr(clientHost, portHTTP), 30); seen["two"] == 0 {
				return fmt.Errorf("30 calls were answered by %v", seen)
			}
			return nil
		})
	}
	if err := l.Stop().Err(); err != nil {
		t.Error(err)
	}
}

// freePort is a port of ::1, which all meshes of the machine share.
func freePort(t *testing.T) int {
	t.Helper()
	listener := listen(t, "[::1]:0")
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

func TestIPv6(t *testing.T) {
	t.Parallel()
	ingress, app, local := freePort(t), freePort(t), freePort(t)
	r := newRig(t, map[string]string{"all.yaml": fmt.Sprintf(`
apiVersion: outrigger.dev/v1alpha1
kind: Workload
metadata: {name: server, namespace: test, labels: {app: server}}
spec: {addresses: ["::1"], serviceAccountName: server, sidecar: true}
---
apiVersion: outrigger.dev/v1alpha1
kind: ProxyConfig
metadata: {name: server, namespace: test}
spec:
  selector: {matchLabels: {app: server}}
  ingress: {listeners: [{port: %d, targetAddress: "::1", targetPort: %d}]}
---
apiVersion: outrigger.dev/v1alpha1
kind: Workload
metadata: {name: client, namespace: test, labels: {app: client}}
spec: {addresses: ["::1"], serviceAccountName: client, sidecar: true}
---
apiVersion: outrigger.dev/v1alpha1
kind: ProxyConfig
metadata: {name: client, namespace: test}
spec:
  selector: {matchLabels: {app: client}}
  egress: {listeners: [{address: "::1", port: %d, service: {name: server, port: 80}}]}
`, ingress, app, local) + service("server", "server", svcPort{80, ingress, "http"}) + authn("server", "server", "Strict")})
	servePage(t, fmt.Sprintf("[::1]:%d", app), "six")
	r.Join(t, rig.Who("server"))
	r.Join(t, rig.Who("client"))
	answer, err := get1(t, fmt.Sprintf("[::1]:%d", local))
	if err != nil || !strings.Contains(answer, "URI="+rig.Identities+"client") {
		t.Errorf("the answer is %q, error %v, want one that names the client", answer, err)
	}
}

// The application listens on one family only: whichever it is, it is reached.
//
//nolint:tparallel // the subtests take turns on one mesh
func TestDualStackEndpointIsReachedByEitherFamily(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	files := plainService()
	files["service.yaml"] = service("server", "server", svcPort{80, port, "http"})
	files["server.yaml"] = `
apiVersion: outrigger.dev/v1alpha1
kind: Workload
metadata: {name: server, namespace: test, labels: {app: server}}
spec: {addresses: ["NET.20", "::1"]}
`
	r := newRig(t, files)
	r.Join(t, rig.Who("client"))
	for name, address := range map[string]string{"four": r.Addr(20, port), "six": fmt.Sprintf("[::1]:%d", port)} {
		t.Run(name, func(t *testing.T) {
			servePage(t, address, name)
			rig.Eventually(t, name+" answers", func() error {
				answer, err := get1(t, r.Addr(clientHost, portHTTP))
				if err == nil && !strings.HasPrefix(answer, name+" ") {
					err = fmt.Errorf("the answer is %q", answer)
				}
				return err
			})
		})
	}
}
