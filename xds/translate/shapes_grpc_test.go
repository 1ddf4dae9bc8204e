package translate_test

import (
	"context"
	"encoding/json"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	xdscreds "google.golang.org/grpc/credentials/xds"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/xds"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy"
	"outrigger.dev/outrigger/policy/ir"
	"outrigger.dev/outrigger/xds/translate"
)

const thiefID = "spiffe://cluster.local/ns/shop/sa/thief"

// bootstrap is what a gRPC program of the node starts with; its certificate is in files.
func (c *controlPlane) bootstrap(node, identity string) []byte {
	c.t.Helper()
	dir := c.t.TempDir()
	cert, key := c.authority.leaf(identity)
	for name, text := range map[string][]byte{"cert.pem": cert, "key.pem": key, "roots.pem": c.authority.roots()} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			c.t.Fatal(err)
		}
	}
	out, err := json.Marshal(map[string]any{
		"xds_servers": []any{map[string]any{
			"server_uri":      net.JoinHostPort("127.0.0.1", strconv.Itoa(c.port)),
			"channel_creds":   []any{map[string]any{"type": "insecure"}},
			"server_features": []string{"xds_v3"},
		}},
		"node": map[string]any{"id": node, "cluster": node},
		"certificate_providers": map[string]any{translate.CertificateProvider: map[string]any{
			"plugin_name": "file_watcher",
			"config": map[string]any{
				"certificate_file": filepath.Join(dir, "cert.pem"), "private_key_file": filepath.Join(dir, "key.pem"),
				"ca_certificate_file": filepath.Join(dir, "roots.pem"),
			},
		}},
		"server_listener_resource_name_template": translate.GRPCServerTemplate,
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return out
}

// grpcServer runs a gRPC server without a proxy, whose listener has the mode, and returns its address once it serves.
func (c *controlPlane) grpcServer(node, identity string, mode ir.MTLSMode) netip.AddrPort {
	c.t.Helper()
	l := listen(c.t)
	at := addressOf(l)
	c.publish(node, identity, translate.Inbound(&ir.Inbound{
		TrustDomain: trustDomain, Proxyless: true,
		Ports: []ir.InboundPort{{Listen: at.Addr(), Port: at.Port(), Protocol: discovery.GRPC, Mode: mode}},
	}))
	fallback, err := xdscreds.NewServerCredentials(xdscreds.ServerOptions{FallbackCreds: insecure.NewCredentials()})
	if err != nil {
		c.t.Fatal(err)
	}
	serving := make(chan struct{}, 1)
	server, err := xds.NewGRPCServer(grpc.Creds(fallback), xds.BootstrapContentsForTesting(c.bootstrap(node, identity)),
		xds.ServingModeCallback(func(_ net.Addr, args xds.ServingModeChangeArgs) {
			if args.Mode == connectivity.ServingModeServing {
				serving <- struct{}{}
			}
		}))
	if err != nil {
		c.t.Fatal(err)
	}
	healthv1.RegisterHealthServer(server, health.NewServer())
	serve(c.t, func() error { return server.Serve(l) }, server.Stop)
	ctx, cancel := context.WithTimeout(c.t.Context(), 20*time.Second)
	defer cancel()
	select {
	case <-serving:
	case <-ctx.Done():
		c.t.Fatalf("the server at %s does not serve", at)
	}
	return at
}

// grpcCall dials the target as a gRPC program without a proxy and asks for its health.
func (c *controlPlane) grpcCall(node, identity, target string) error {
	c.t.Helper()
	resolver, err := xds.NewXDSResolverWithConfigForTesting(c.bootstrap(node, identity))
	if err != nil {
		c.t.Fatal(err)
	}
	creds, err := xdscreds.NewClientCredentials(xdscreds.ClientOptions{FallbackCreds: insecure.NewCredentials()})
	if err != nil {
		c.t.Fatal(err)
	}
	conn, err := grpc.NewClient("xds:///"+target, grpc.WithTransportCredentials(creds), grpc.WithResolvers(resolver))
	if err != nil {
		c.t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(c.t.Context(), 5*time.Second)
	defer cancel()
	_, err = healthv1.NewHealthClient(conn).Check(ctx, &healthv1.HealthCheckRequest{})
	return err
}

// grpcService is what a gRPC client has of a service with the endpoints.
func grpcService(name string, peers ir.Peers, at ...netip.AddrPort) []translate.Resource {
	id := discovery.ServiceID{Namespace: "shop", Name: name}
	endpoints := &ir.Endpoints{Service: id, Port: servicePort}
	for i, a := range at {
		// A locality of none and one of its own, so that weights of both are seen.
		group := ir.EndpointGroup{Mesh: !peers.Plain, Endpoints: []ir.Endpoint{{Address: a, Weight: 1}}}
		if i > 0 {
			group.Locality.Zone = "z" + strconv.Itoa(i)
		}
		endpoints.Groups = append(endpoints.Groups, group)
	}
	svc := &discovery.Service{ID: id}
	upstream := policy.ResolveUpstream(svc, discovery.ServicePort{Port: servicePort, Protocol: discovery.GRPC}, peers)
	return append(translate.GRPCTarget(ir.Target{Service: id, Port: servicePort}),
		translate.GRPCCluster(upstream), translate.GRPCEndpoints(policy.ResolveGRPCEndpoints(endpoints, peers)))
}

// grpcName is what a gRPC client has of a service that is known by names only, of which the first is drained.
func grpcName(name string, at netip.AddrPort) []translate.Resource {
	id := discovery.ServiceID{Namespace: "shop", Name: name}
	endpoints := policy.ResolveGRPCEndpoints(policy.AddHosts(&ir.Endpoints{Service: id, Port: servicePort}, []discovery.Host{
		{Name: "drained.invalid", Port: at.Port(), Health: discovery.Draining}, {Name: "localhost", Port: at.Port()},
	}), ir.Peers{Plain: true})
	upstream := policy.ResolveUpstream(&discovery.Service{ID: id}, discovery.ServicePort{Port: servicePort, Protocol: discovery.GRPC}, ir.Peers{Plain: true})
	upstream.DNS = policy.ResolveDNS(endpoints)
	return append(translate.GRPCTarget(ir.Target{Service: id, Port: servicePort}), translate.GRPCCluster(upstream))
}

// TestGRPCProfile: gRPC's own client and server take what is made for them, speak mTLS with each other in both
// directions with sidecars, and check who answers.
func TestGRPCProfile(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	for name, mode := range map[string]ir.MTLSMode{"permissive": ir.Permissive, "strict": ir.Strict, "disabled": ir.Disabled} {
		p.add(port{name, discovery.GRPC, mode, grpcApp(t)})
		p.add(port{name + "-http", discovery.HTTP, mode, grpcApp(t)})
	}
	mesh := ir.Peers{Identities: []string{cartID}}
	server := p.plane.grpcServer("shop/cart-2", cartID, ir.Strict)
	plain := p.plane.grpcServer("shop/cart-3", cartID, ir.Disabled)
	p.service("proxyless", discovery.GRPC, mesh, ir.EndpointGroup{Mesh: true, Endpoints: []ir.Endpoint{{Address: server, Weight: 1}}})
	p.service("proxyless-plain", discovery.GRPC, ir.Peers{Plain: true}, ir.EndpointGroup{Endpoints: []ir.Endpoint{{Address: plain, Weight: 1}}})
	p.start()

	t.Run("sidecar to server", func(t *testing.T) {
		for _, name := range []string{"proxyless", "proxyless-plain"} {
			if err := callHealth(t, p.reach[name]); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
	var resources []translate.Resource
	want := map[string]codes.Code{}
	add := func(name string, code codes.Code, peers ir.Peers, at ...netip.AddrPort) {
		resources = append(resources, grpcService(name, peers, at...)...)
		want[name] = code
	}
	for name, at := range p.direct {
		peers := mesh
		if name == "disabled" || name == "disabled-http" {
			peers = ir.Peers{Plain: true}
		}
		add(name, codes.OK, peers, at)
	}
	add("server", codes.OK, mesh, server)
	add("server-and-sidecar", codes.OK, mesh, server, p.direct["strict"])
	add("server-plain", codes.OK, ir.Peers{Plain: true}, plain)
	resources, want["named"] = append(resources, grpcName("named", plain)...), codes.OK
	add("server-by-plain-text", codes.Unavailable, ir.Peers{Plain: true}, server)
	add("not-a-thief", codes.Unavailable, ir.Peers{Identities: []string{thiefID}}, server)
	add("nobody-known", codes.Unavailable, ir.Peers{}, server)
	add("none", codes.Unavailable, mesh)
	p.plane.publish("shop/web-2", webID, resources)
	for name, code := range want {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := p.plane.grpcCall("shop/web-2", webID, name+".shop:80"); status.Code(err) != code {
				t.Errorf("%v, want %s", err, code)
			}
		})
	}
}

func callHealth(t *testing.T, at netip.AddrPort) error {
	t.Helper()
	conn, err := grpc.NewClient(at.String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, err = healthv1.NewHealthClient(conn).Check(ctx, &healthv1.HealthCheckRequest{})
	return err
}
