package translate_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy"
	"outrigger.dev/outrigger/policy/ir"
	"outrigger.dev/outrigger/test/envoy"
	"outrigger.dev/outrigger/xds/translate"
)

const (
	trustDomain = "cluster.local"
	webID       = "spiffe://cluster.local/ns/shop/sa/web"
	cartID      = "spiffe://cluster.local/ns/shop/sa/cart"
	servicePort = 80
)

// pair is a sidecar of a caller and a sidecar of applications, both real.
type pair struct {
	t          *testing.T
	plane      *controlPlane
	web, carts *envoy.Proxy
	// reach is where the caller reaches a service by its sidecar, direct where the service's sidecar listens.
	reach, direct map[string]netip.AddrPort

	client  []translate.Resource
	inbound ir.Inbound
	taken   uint16
}

// port is an application behind the second sidecar.
type port struct {
	name     string
	protocol discovery.Protocol
	mode     ir.MTLSMode
	app      netip.AddrPort
}

func newPair(t *testing.T) *pair {
	t.Helper()
	return &pair{
		t: t, plane: newControlPlane(t), reach: map[string]netip.AddrPort{}, direct: map[string]netip.AddrPort{},
		inbound: ir.Inbound{
			TrustDomain: trustDomain, Explicit: true,
			IdleTimeout: policy.IdleTimeout, MaxConnectionDuration: policy.InboundMaxConnectionDuration,
		},
	}
}

// add gives an application an inbound port, and a service that leads to it.
func (p *pair) add(in port) {
	at := p.free()
	p.direct[in.name] = at
	p.inbound.Ports = append(p.inbound.Ports, ir.InboundPort{
		Listen: at.Addr(), Port: at.Port(), Target: in.app, Protocol: in.protocol, Mode: in.mode,
	})
	peers := ir.Peers{Identities: []string{cartID}}
	if in.mode == ir.Disabled {
		peers = ir.Peers{Plain: true}
	}
	p.service(in.name, in.protocol, peers, ir.EndpointGroup{
		Mesh: in.mode != ir.Disabled, Endpoints: []ir.Endpoint{{Address: at, Weight: 1}},
	})
}

// service gives the caller's sidecar a listener for endpoints.
func (p *pair) service(name string, protocol discovery.Protocol, peers ir.Peers, groups ...ir.EndpointGroup) {
	svc := serviceOf(name, protocol)
	at := p.free()
	p.reach[name] = at
	rule := &policy.ProxyRule{Explicit: true, Egress: []policy.EgressListener{{Address: at, Service: svc.ID, Port: servicePort}}}
	out, _ := policy.ResolveEgress(rule, func(discovery.ServiceID) *discovery.Service { return svc })
	p.client = append(p.client, upstream(svc, peers, groups)...)
	p.client = append(p.client, translate.Outbound(&out[0])...)
}

func serviceOf(name string, protocol discovery.Protocol) *discovery.Service {
	return &discovery.Service{
		ID:    discovery.ServiceID{Namespace: "shop", Name: name},
		Ports: []discovery.ServicePort{{Port: servicePort, Protocol: protocol}},
	}
}

// upstream is the cluster of a service, with its assignment beside it or, where names are to be resolved, in it.
func upstream(svc *discovery.Service, peers ir.Peers, groups []ir.EndpointGroup) []translate.Resource {
	endpoints := &ir.Endpoints{Service: svc.ID, Port: servicePort, Groups: groups}
	u := policy.ResolveUpstream(svc, svc.Ports[0], peers)
	if u.DNS = policy.ResolveDNS(endpoints); u.DNS != nil {
		return []translate.Resource{translate.Cluster(u)}
	}
	return []translate.Resource{translate.Cluster(u), translate.Endpoints(endpoints)}
}

func (p *pair) start() {
	p.carts = p.plane.start("shop/cart-1", cartID, translate.Inbound(&p.inbound))
	p.web = p.plane.start("shop/web-1", webID, p.client)
	p.ready(p.carts)
	p.ready(p.web)
}

func (p *pair) ready(proxy *envoy.Proxy) {
	ctx, cancel := context.WithTimeout(p.t.Context(), 20*time.Second)
	defer cancel()
	if err := proxy.WaitReady(ctx); err != nil {
		p.t.Fatal(err)
	}
}

// free returns an address of the loopback that nobody else takes: each process of tests has its own host, where no
// outgoing connection gets a port by chance.
func (p *pair) free() netip.AddrPort {
	pid := os.Getpid()
	p.taken++
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, byte(100 + pid>>16%100), byte(pid >> 8), byte(pid)}), 10_000+p.taken)
}

// answer is what came of a request.
type answer struct {
	status int
	header http.Header
	body   string
}

// get asks over a new connection, by HTTP/1 or HTTP/2.
func get(t *testing.T, at netip.AddrPort, version int, header http.Header) (answer, error) {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetHTTP1(version == 1)
	protocols.SetUnencryptedHTTP2(version == 2)
	transport := &http.Transport{Protocols: protocols}
	defer transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+at.String()+"/a//b%2f?q=1", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Host, req.Header = "cart.example", header
	if header == nil {
		req.Header = http.Header{}
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answer{status: resp.StatusCode, header: resp.Header, body: string(body)}, err
}

// dial opens a connection that ends with the test.
func dial(t *testing.T, at netip.AddrPort) net.Conn {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// say writes a line, unless it is empty, and returns the next line that comes.
func say(conn net.Conn, line string) (string, error) {
	if line != "" {
		if _, err := fmt.Fprintln(conn, line); err != nil {
			return "", err
		}
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	return strings.TrimSpace(answer), err
}

func checkHealth(t *testing.T, at netip.AddrPort) error {
	t.Helper()
	conn, err := grpc.NewClient(at.String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err = healthv1.NewHealthClient(conn).Check(ctx, &healthv1.HealthCheckRequest{})
	return err
}
