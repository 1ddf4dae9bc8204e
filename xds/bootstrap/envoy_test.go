package bootstrap_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"outrigger.dev/outrigger/certs"
	"outrigger.dev/outrigger/test/envoy"
	"outrigger.dev/outrigger/xds/bootstrap"
)

const (
	patience = 20 * time.Second

	clusterURL = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
)

// opened is what a control plane sees of a new stream.
type opened struct {
	authorization []string
	node          *corev3.Node
	tlsVersion    uint16
}

// controlPlane is a small delta ADS server over TLS 1.3. It has one cluster
// and no listeners, tells of each new stream and the first acknowledgements, and ends streams on request.
type controlPlane struct {
	discoveryv3.UnimplementedAggregatedDiscoveryServiceServer
	streams chan opened
	acks    chan *discoveryv3.DeltaDiscoveryRequest
	end     chan struct{}
}

func (c *controlPlane) DeltaAggregatedResources(stream discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesServer) error {
	requests := make(chan *discoveryv3.DeltaDiscoveryRequest)
	go func() {
		defer close(requests)
		for {
			request, err := stream.Recv()
			if err != nil {
				return
			}
			select {
			case requests <- request:
			case <-stream.Context().Done():
				return
			}
		}
	}()
	for first := true; ; first = false {
		select {
		case <-c.end:
			return errors.New("this stream is old enough")
		case request, ok := <-requests:
			if !ok {
				return nil
			}
			if first {
				c.tell(stream.Context(), request.GetNode())
			}
			if request.GetResponseNonce() != "" {
				c.acknowledged(request)
				continue
			}
			if err := answer(stream, request); err != nil {
				return err
			}
		}
	}
}

// acknowledged keeps what nobody has looked at yet, as far as there is room.
func (c *controlPlane) acknowledged(request *discoveryv3.DeltaDiscoveryRequest) {
	select {
	case c.acks <- request:
	default:
	}
}

func (c *controlPlane) tell(ctx context.Context, node *corev3.Node) {
	event := opened{node: node, authorization: metadata.ValueFromIncomingContext(ctx, "authorization")}
	if p, ok := peer.FromContext(ctx); ok {
		if info, ok := p.AuthInfo.(credentials.TLSInfo); ok {
			event.tlsVersion = info.State.Version
		}
	}
	select {
	case c.streams <- event:
	case <-ctx.Done():
	}
}

// answer sends all there is of a type when it is first asked for.
func answer(stream discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesServer, request *discoveryv3.DeltaDiscoveryRequest) error {
	response := &discoveryv3.DeltaDiscoveryResponse{TypeUrl: request.GetTypeUrl(), Nonce: "1"}
	if request.GetTypeUrl() == clusterURL {
		body, err := anypb.New(cart())
		if err != nil {
			return err
		}
		response.Resources = []*discoveryv3.Resource{{Name: cart().GetName(), Version: "1", Resource: body}}
	}
	return stream.Send(response)
}

// cart is a cluster whose stats have the names that the mesh's clusters have.
func cart() *clusterv3.Cluster {
	return &clusterv3.Cluster{
		Name: "outbound|8080|canary|cart.shop", AltStatName: "outbound|8080|canary|cart|shop",
		ConnectTimeout:       durationpb.New(time.Second),
		ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC},
		LoadAssignment:       &endpointv3.ClusterLoadAssignment{ClusterName: "outbound|8080|canary|cart.shop"},
	}
}

// next returns the next stream that is opened and that fits.
func (c *controlPlane) next(t *testing.T, fits func(opened) bool) opened {
	t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		select {
		case event := <-c.streams:
			if fits(event) {
				return event
			}
			c.endStream(t)
		case <-timer.C:
			t.Fatal("no such stream was opened")
		}
	}
}

func (c *controlPlane) endStream(t *testing.T) {
	t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case c.end <- struct{}{}:
	case <-timer.C:
		t.Fatal("there is no stream to end")
	}
}

// serve runs the control plane at the address, with the authority's certificate, until stop.
func serve(t *testing.T, authority *certs.Authority, address string) (c *controlPlane, at string, stop func()) {
	t.Helper()
	config, err := authority.ServerTLS(nil)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	c = &controlPlane{streams: make(chan opened), acks: make(chan *discoveryv3.DeltaDiscoveryRequest, 4), end: make(chan struct{})}
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(config)))
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(server, c)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	stop = func() {
		server.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	return c, listener.Addr().String(), stop
}

// start writes a folder and runs an Envoy from it.
func start(t *testing.T, config bootstrap.Config, token string) (dir string, proxy *envoy.Proxy) {
	t.Helper()
	dir = shortDir(t)
	if err := bootstrap.Write(dir, config); err != nil {
		t.Fatal(err)
	}
	if token != "" {
		writeToken(t, dir, token)
	}
	proxy, err := envoy.Start(t.Context(), envoy.Config{Dir: dir, Binary: envoy.Path(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := proxy.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(proxy.Logs())
		}
	})
	return dir, proxy
}

func writeToken(t *testing.T, dir, token string) {
	t.Helper()
	if err := certs.WriteToken(filepath.Join(dir, bootstrap.TokenFile), certs.NewToken(token)); err != nil {
		t.Fatal(err)
	}
}

func configFor(authority *certs.Authority, server string) bootstrap.Config {
	return bootstrap.Config{
		Namespace: "shop", Workload: "cart-1", ServiceAccount: "cart",
		Server: server, Roots: authority.Bundle().PEM,
	}
}

func bears(token string) func(opened) bool {
	return func(event opened) bool {
		return len(event.authorization) == 1 && event.authorization[0] == "Bearer "+token
	}
}

func anyStream(opened) bool { return true }

// An Envoy that was given nothing but the folder says who it is, presents its
// token, and presents the new one on the next stream once it was replaced.
func TestEnvoyPresentsItsToken(t *testing.T) {
	authority := newAuthority(t)
	server, address, stop := serve(t, authority, "127.0.0.1:0")
	defer stop()
	dir, proxy := start(t, configFor(authority, address), "one")
	first := server.next(t, anyStream)
	if !bears("one")(first) {
		t.Errorf("authorization %q", first.authorization)
	}
	if first.node.GetId() != "shop/cart-1" || first.node.GetCluster() != "shop/cart" {
		t.Errorf("node %q of cluster %q", first.node.GetId(), first.node.GetCluster())
	}
	if first.tlsVersion != tls.VersionTLS13 {
		t.Errorf("TLS version %x", first.tlsVersion)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := proxy.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, "admin.sock"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the admin socket: %v, %v", info, err)
	}
	writeToken(t, dir, "two")
	server.endStream(t)
	server.next(t, bears("two"))
}

// A folder can be written before there is a token: Envoy waits for one.
func TestEnvoyWaitsForItsToken(t *testing.T) {
	authority := newAuthority(t)
	server, address, stop := serve(t, authority, "127.0.0.1:0")
	defer stop()
	dir, _ := start(t, configFor(authority, address), "")
	quiet := time.NewTimer(time.Second)
	defer quiet.Stop()
	select {
	case event := <-server.streams:
		t.Errorf("a stream without a token: %q", event.authorization)
	case <-quiet.C:
	}
	writeToken(t, dir, "late")
	if got := server.next(t, anyStream); !bears("late")(got) {
		t.Errorf("authorization %q", got.authorization)
	}
}

// The control plane is found by name, at whichever of its addresses answers.
func TestEnvoyFindsTheServerByName(t *testing.T) {
	authority := newAuthority(t)
	server, address, stop := serve(t, authority, "127.0.0.1:0")
	defer stop()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	start(t, configFor(authority, net.JoinHostPort("localhost", port)), "one")
	if got := server.next(t, anyStream); !bears("one")(got) {
		t.Errorf("authorization %q", got.authorization)
	}
}

// A control plane with a new authority is believed once its roots were
// written into the folder, and not before.
func TestEnvoyFollowsTheRoots(t *testing.T) {
	first, second := newAuthority(t), newAuthority(t)
	server, address, stop := serve(t, first, "127.0.0.1:0")
	config := configFor(first, address)
	dir, proxy := start(t, config, "one")
	server.next(t, anyStream)
	stop()

	server, _, stop = serve(t, second, address)
	defer stop()
	waitStat(t, proxy, "cluster.xds.ssl.fail_verify_error")
	select {
	case event := <-server.streams:
		t.Errorf("a stream to a control plane with foreign roots: %q", event.authorization)
	default:
	}
	config.Roots = second.Bundle().PEM
	if err := bootstrap.Write(dir, config); err != nil {
		t.Fatal(err)
	}
	if got := server.next(t, anyStream); !bears("one")(got) {
		t.Errorf("authorization %q", got.authorization)
	}
}

// waitStat waits until Envoy has counted something.
func waitStat(t *testing.T, proxy *envoy.Proxy, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		stats, err := proxy.Stats(ctx, name)
		if err == nil && stats[name] > 0 {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s stays %d: %v", name, stats[name], err)
		case <-ticker.C:
		}
	}
}

// The two listeners open one path each of the admin interface, and the stats
// carry the words of the access log.
func TestEnvoyReadyAndMetrics(t *testing.T) {
	authority := newAuthority(t)
	server, address, stop := serve(t, authority, "127.0.0.1:0")
	defer stop()
	config := configFor(authority, address)
	config.Ready, config.Metrics = freeAddress(t), freeAddress(t)
	_, proxy := start(t, config, "one")
	server.next(t, anyStream)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := proxy.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		method, address, path string
		want                  int
	}{
		{http.MethodGet, config.Ready, "/ready", http.StatusOK},
		{http.MethodPost, config.Ready, "/ready", http.StatusNotFound},
		{http.MethodGet, config.Ready, "/ready/../stats", http.StatusNotFound},
		{http.MethodGet, config.Ready, "/stats/prometheus", http.StatusNotFound},
		{http.MethodPost, config.Ready, "/quitquitquit", http.StatusNotFound},
		{http.MethodGet, config.Metrics, "/stats/prometheus", http.StatusOK},
		{http.MethodGet, config.Metrics, "/metrics", http.StatusOK},
		{http.MethodGet, config.Metrics, "/config_dump", http.StatusNotFound},
		{http.MethodPost, config.Metrics, "/metrics", http.StatusNotFound},
	} {
		status, body := call(t, test.method, "http://"+test.address+test.path)
		if status != test.want {
			t.Errorf("%s %s answers %d, want %d: %.200s", test.method, test.path, status, test.want, body)
		}
	}
	_, body := call(t, http.MethodGet, "http://"+config.Metrics+"/metrics")
	checkMetrics(t, body)
}

func checkMetrics(t *testing.T, body string) {
	t.Helper()
	var line string
	for text := range strings.SplitSeq(body, "\n") {
		if strings.HasPrefix(text, "envoy_cluster_membership_total{") && strings.Contains(text, "canary") {
			line = text
		}
		if strings.Contains(text, "upstream_cx_destroy") && strings.Contains(text, "canary") {
			t.Errorf("a stat that nobody looks at: %s", text)
		}
	}
	for _, label := range []string{
		`workload="cart-1"`, `workload_namespace="shop"`, `direction="outbound"`, `port="8080"`,
		`destination_subset="canary"`, `destination_service="cart"`, `destination_namespace="shop"`,
	} {
		if !strings.Contains(line, label) {
			t.Errorf("no %s in %q", label, line)
		}
	}
}

func call(t *testing.T, method, url string) (status int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(data)
}

// freeAddress is an address of the loopback that nobody listens on now.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}
