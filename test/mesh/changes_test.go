package mesh_test

import (
	"fmt"
	"strings"
	"testing"

	"outrigger.dev/outrigger/test/load"
	"outrigger.dev/outrigger/test/mesh"
	"outrigger.dev/outrigger/test/rig"
	"outrigger.dev/outrigger/xds/debug"
)

// clusters are the names of the services that an Envoy knows.
func clusters(t *testing.T, s *mesh.Sidecar) string {
	t.Helper()
	text, err := s.Admin(t.Context(), "GET", "/clusters")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		if name, _, _ := strings.Cut(line, "::"); strings.HasPrefix(name, "outbound|") {
			seen[strings.TrimSuffix(name[strings.LastIndexByte(name, '|')+1:], ".test")] = true
		}
	}
	var names []string
	for _, name := range []string{"one", "two", "three"} {
		if seen[name] {
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}

// scoped is the client with a declared scope and one listener.
func scoped(scope string) string {
	return client(egress{portHTTP, "one", 80}) + "    services: [" + scope + "]\n"
}

func TestScopeLimitsWhatEnvoyHas(t *testing.T) {
	t.Parallel()
	files := map[string]string{"client.yaml": scoped("{name: one}")}
	for _, name := range []string{"one", "two", "three"} {
		files[name+".yaml"] = service(name, name, svcPort{80, portHTTP, "http"}) + wlSpec{name: name, app: name, host: 20}.yaml()
	}
	r := newRig(t, files)
	servePage(t, r.Addr(20, portHTTP), "server")
	c := r.Join(t, rig.Who("client"))
	l := load.Start(t.Context(), load.Config{URL: "http://" + r.Addr(clientHost, portHTTP)})
	defer l.Stop()
	// The last one narrows the scope again: clusters go only after they drained.
	for _, step := range []struct{ scope, want string }{
		{"{name: one}", "one"},
		{"{name: one}, {name: three}", "one three"},
		{`{name: "*"}`, "one two three"},
	} {
		r.Put(t, "client.yaml", scoped(step.scope))
		rig.Eventually(t, "Envoy has "+step.want, func() error {
			if got := clusters(t, c); got != step.want {
				return fmt.Errorf("it has %q", got)
			}
			return nil
		})
	}
	dump, err := c.ConfigDump(t.Context())
	if err != nil || !strings.Contains(string(dump), "outbound|80||three.test") {
		t.Errorf("the dump does not hold the third service, error %v", err)
	}
	if err := l.Stop().Err(); err != nil {
		t.Error(err)
	}
}

func TestServiceIsAddedAndRemovedUnderLoad(t *testing.T) {
	t.Parallel()
	alone := client(egress{portHTTP, "one", 80})
	both := client(egress{portHTTP, "one", 80}, egress{portHTTP2, "two", 80})
	one := service("one", "one", svcPort{80, portHTTP, "http"}) + wlSpec{name: "one", app: "one", host: 20}.yaml()
	two := service("two", "two", svcPort{80, portHTTP, "http"}) + wlSpec{name: "two", app: "two", host: 30}.yaml()
	r := newRig(t, map[string]string{"one.yaml": one, "client.yaml": alone})
	servePage(t, r.Addr(20, portHTTP), "one")
	servePage(t, r.Addr(30, portHTTP), "two")
	r.Join(t, rig.Who("client"))
	l := load.Start(t.Context(), load.Config{URL: "http://" + r.Addr(clientHost, portHTTP)})
	defer l.Stop()
	for range 3 {
		r.Put(t, "two.yaml", two)
		r.Put(t, "client.yaml", both)
		rig.Eventually(t, "the new service is reached", func() error {
			_, err := get1(t, r.Addr(clientHost, portHTTP2))
			return err
		})
		r.Drop(t, "two.yaml")
		r.Put(t, "client.yaml", alone)
		rig.Eventually(t, "the service is gone", func() error {
			if answer, err := get1(t, r.Addr(clientHost, portHTTP2)); err == nil {
				return fmt.Errorf("it answers %q", answer)
			}
			return nil
		})
	}
	if err := l.Stop().Err(); err != nil {
		t.Error(err)
	}
}

// An Envoy cannot bind an address that the machine does not have, and nobody
// but the Envoy can know that.
func TestRefusedResourceIsShownWithItsOwner(t *testing.T) {
	t.Parallel()
	good := client(egress{portHTTP, "one", 80})
	bad := good + "    - {address: 192.0.2.1, port: 18999, service: {name: one, port: 80}}\n"
	r := newRig(t, map[string]string{
		"one.yaml":    service("one", "one", svcPort{80, portHTTP, "http"}) + wlSpec{name: "one", app: "one", host: 20}.yaml(),
		"client.yaml": good,
	})
	servePage(t, r.Addr(20, portHTTP), "one")
	r.Join(t, rig.Who("client"))
	r.Synced(t, "client")
	r.Put(t, "client.yaml", bad)
	rig.Eventually(t, "outrigger proxy tells what was refused", func() error {
		text, err := r.Outrigger(t.Context(), "proxy", "test/client", "--data-dir", r.DataDir())
		if err != nil {
			return err
		}
		for _, want := range []string{"refused", "explicit_192.0.2.1_18999", "cannot bind", "ProxyConfig test/client"} {
			if !strings.Contains(text, want) {
				return fmt.Errorf("nothing of %q in: %s", want, text)
			}
		}
		return nil
	})
	if _, err := get1(t, r.Addr(clientHost, portHTTP)); err != nil {
		t.Errorf("the good listener was harmed: %v", err)
	}
	proxies, err := r.Proxies(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if state := proxies["test/client"].State; state != debug.StateRefused {
		t.Errorf("the state is %q, want %q", state, debug.StateRefused)
	}
	r.Put(t, "client.yaml", good)
	r.Synced(t, "client")
}
