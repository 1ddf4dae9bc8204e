package translate_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	cachev3 "github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	serverv3 "github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"outrigger.dev/outrigger/test/envoy"
	"outrigger.dev/outrigger/xds/cache"
	"outrigger.dev/outrigger/xds/translate"
)

// controlPlane serves what the translator made to real Envoys, byte for byte, by a plain delta ADS server
// that is not ours: what is tried here are the shapes.
type controlPlane struct {
	t         *testing.T
	authority *authority
	snapshots cachev3.SnapshotCache
	port      int
}

func newControlPlane(t *testing.T) *controlPlane {
	t.Helper()
	c := &controlPlane{t: t, authority: newAuthority(t), snapshots: cachev3.NewSnapshotCache(false, cachev3.IDHash{}, nil)}
	listener := listen(t)
	server := grpc.NewServer()
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(server, serverv3.NewServer(t.Context(), c.snapshots, nil))
	serve(t, func() error { return server.Serve(listener) }, server.Stop)
	c.port = portOf(listener)
	return c
}

// start runs an Envoy with the resources and the identity.
func (c *controlPlane) start(node, identity string, resources []translate.Resource) *envoy.Proxy {
	c.t.Helper()
	c.publish(node, identity, resources)
	dir := c.t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "bootstrap.yaml"), fmt.Appendf(nil, adsBootstrap, c.port), 0o600); err != nil {
		c.t.Fatal(err)
	}
	proxy, err := envoy.Start(c.t.Context(), envoy.Config{Dir: dir, Node: node, Cluster: node, Binary: envoy.Path(c.t)})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		if err := proxy.Stop(); err != nil {
			c.t.Error(err)
		}
		if c.t.Failed() {
			c.t.Logf("%s: %s\n%s", node, proxy.Logs(), proxy.AccessLog())
		}
	})
	return proxy
}

func (c *controlPlane) publish(node, identity string, resources []translate.Resource) {
	c.t.Helper()
	byURL := map[string][]types.Resource{cache.Secret.URL(): c.secrets(identity)}
	for _, r := range resources {
		byURL[r.Type.URL()] = append(byURL[r.Type.URL()], messageOf(c.t, r))
	}
	snapshot, err := cachev3.NewSnapshot("1", byURL)
	if err == nil {
		err = c.snapshots.SetSnapshot(c.t.Context(), node, snapshot)
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *controlPlane) secrets(identity string) []types.Resource {
	cert, key := c.authority.leaf(identity)
	inline := func(b []byte) *corev3.DataSource {
		return &corev3.DataSource{Specifier: &corev3.DataSource_InlineBytes{InlineBytes: b}}
	}
	return []types.Resource{
		&tlsv3.Secret{Name: translate.SecretIdentity, Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: &tlsv3.TlsCertificate{
			CertificateChain: inline(cert), PrivateKey: inline(key),
		}}},
		&tlsv3.Secret{Name: translate.SecretRoots, Type: &tlsv3.Secret_ValidationContext{
			ValidationContext: &tlsv3.CertificateValidationContext{TrustedCa: inline(c.authority.roots())},
		}},
	}
}

// messageOf reads back the bytes that are sent.
func messageOf(t *testing.T, r translate.Resource) proto.Message {
	t.Helper()
	body, err := translate.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	message := map[cache.Type]proto.Message{
		cache.Cluster: &clusterv3.Cluster{}, cache.Endpoints: &endpointv3.ClusterLoadAssignment{},
		cache.Listener: &listenerv3.Listener{}, cache.Route: &routev3.RouteConfiguration{},
	}[r.Type]
	if err := proto.Unmarshal(body, message); err != nil {
		t.Fatal(err)
	}
	return message
}

const adsBootstrap = `
admin: {address: {pipe: {path: admin.sock}}}
dynamic_resources:
  ads_config:
    api_type: DELTA_GRPC
    transport_api_version: V3
    set_node_on_first_message_only: true
    grpc_services: [{envoy_grpc: {cluster_name: xds}}]
  cds_config: {ads: {}, resource_api_version: V3, initial_fetch_timeout: 0s}
  lds_config: {ads: {}, resource_api_version: V3, initial_fetch_timeout: 0s}
static_resources:
  clusters:
  - name: xds
    load_assignment: {cluster_name: xds, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: %d}}}}]}]}
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http2_protocol_options: {}}
`

// listen takes a free port of the loopback.
func listen(t *testing.T) net.Listener {
	t.Helper()
	var config net.ListenConfig
	config.SetMultipathTCP(false) // It has no filters.
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func portOf(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }

// serve runs a server until the test ends.
func serve(t *testing.T, run func() error, stop func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = run()
	}()
	t.Cleanup(func() {
		stop()
		<-done
	})
}
