package translate_test

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"testing"
	"time"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy/ir"
	"outrigger.dev/outrigger/xds/cache"
	"outrigger.dev/outrigger/xds/translate"
)

// host is an application on the loopback under a name, which every resolver knows without asking (RFC 6761).
func host(name string, at netip.AddrPort) ir.Host {
	return ir.Host{Name: name + ".localhost", Port: at.Port(), Weight: 1}
}

// TestNamesAndAddresses: of a port whose endpoints are names, addresses and workloads of the mesh, all are used, each as
// it has to be spoken to.
func TestNamesAndAddresses(t *testing.T) {
	p := newPair(t)
	p.add(port{"secure", discovery.HTTP, ir.Strict, httpApp(t, "secure")})
	p.service("named", discovery.HTTP, ir.Peers{Plain: true, Identities: []string{cartID}},
		ir.EndpointGroup{
			Endpoints: []ir.Endpoint{{Address: httpApp(t, "address"), Weight: 1}},
			Hosts:     []ir.Host{host("a", httpApp(t, "a")), host("b", httpApp(t, "b"))},
		},
		ir.EndpointGroup{Mesh: true, Endpoints: []ir.Endpoint{{Address: p.direct["secure"], Weight: 1}}})
	p.start()
	seen := map[string]bool{}
	for range 60 {
		got, err := get(t, p.reach["named"], 1, nil)
		if err != nil || got.status != http.StatusOK {
			t.Fatal(got, err)
		}
		app := got.header.Get("Server")
		seen[app] = true
		if mesh := got.header.Get("Saw-X-Forwarded-Client-Cert") != ""; mesh != (app == "secure") {
			t.Errorf("%s: mesh mTLS %t", app, mesh)
		}
	}
	for _, app := range []string{"a", "b", "address", "secure"} {
		if !seen[app] {
			t.Errorf("%s was never called: %v", app, seen)
		}
	}
}

// replace puts resources in the place of those of the same type and name.
func (p *pair) replace(now ...translate.Resource) {
	for _, r := range now {
		i := slices.IndexFunc(p.client, func(old translate.Resource) bool { return old.Type == r.Type && old.Name == r.Name })
		p.client[i] = r
	}
}

// TestNamesComeAndGo: a port goes from addresses to names and back, again and again, and no request fails.
func TestNamesComeAndGo(t *testing.T) {
	p := newPair(t)
	addressed := ir.EndpointGroup{Endpoints: []ir.Endpoint{{Address: httpApp(t, "address"), Weight: 1}}}
	named := ir.EndpointGroup{Hosts: []ir.Host{host("a", httpApp(t, "name"))}}
	p.service("switched", discovery.HTTP, ir.Peers{Plain: true}, addressed)
	p.start()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for round, want := range []string{"address", "name", "address", "name", "address"} {
		group := addressed
		if want == "name" {
			group = named
		}
		p.client = slices.DeleteFunc(p.client, func(r translate.Resource) bool { return r.Type == cache.Cluster || r.Type == cache.Endpoints })
		p.client = append(p.client, upstream(serviceOf("switched", discovery.HTTP), ir.Peers{Plain: true}, []ir.EndpointGroup{group})...)
		p.plane.publish("shop/web-1", webID, p.client)
		if err := p.reaches(ctx, "switched", want); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
	}
}

// reaches asks until twenty answers in a row are those of an application. Every answer has to be a good one.
func (p *pair) reaches(ctx context.Context, service, app string) error {
	for row := 0; row < 20; row++ {
		got, err := get(p.t, p.reach[service], 1, nil)
		if err != nil || got.status != http.StatusOK {
			return fmt.Errorf("%s: %v %w", service, got, err)
		}
		if got.header.Get("Server") != app {
			row = -1
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("%s does not answer: %w", app, err)
		}
	}
	return nil
}

// TestNearFirst: what is meant for the client's zone serves alone as long as it is healthy, then the rest does.
func TestNearFirst(t *testing.T) {
	p := newPair(t)
	near, far := ir.Endpoint{Address: httpApp(t, "near"), Weight: 1}, ir.Endpoint{Address: httpApp(t, "far"), Weight: 1}
	groups := []ir.EndpointGroup{
		{Locality: discovery.Locality{Zone: "here"}, Endpoints: []ir.Endpoint{near}},
		{Locality: discovery.Locality{Zone: "there"}, Endpoints: []ir.Endpoint{far}, Priority: 1},
	}
	p.service("zoned", discovery.HTTP, ir.Peers{Plain: true}, groups...)
	p.start()
	for range 20 {
		if got, err := get(t, p.reach["zoned"], 1, nil); err != nil || got.header.Get("Server") != "near" {
			t.Fatal(got, err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for _, step := range []struct {
		health discovery.Health
		serves string
	}{{discovery.Draining, "far"}, {discovery.Healthy, "near"}, {discovery.Unhealthy, "far"}} {
		near.Health = step.health
		groups[0].Endpoints = []ir.Endpoint{near}
		p.replace(upstream(serviceOf("zoned", discovery.HTTP), ir.Peers{Plain: true}, groups)...)
		p.plane.publish("shop/web-1", webID, p.client)
		if err := p.reaches(ctx, "zoned", step.serves); err != nil {
			t.Fatalf("%s: %v", step.health, err)
		}
	}
}
