package server

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/test/bufconn"

	"outrigger.dev/outrigger/test/selfsigned"
	"outrigger.dev/outrigger/xds/cache"
)

func TestMain(m *testing.M) {
	// The rare orders of events need more than the hundred runs of the default; the command line may say otherwise.
	if err := flag.Set("rapid.checks", "1000"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// tokens authenticates "token-of-<workload>", or a certificate for <workload>, as shop/<workload> with the
// service account of the same name.
type tokens struct{}

func (t tokens) Authenticate(_ context.Context, c Credentials, _ func(error)) (Admission, error) {
	peer, err := t.peer(c)
	return Admission{Peer: peer}, err
}

func (tokens) peer(c Credentials) (Peer, error) {
	token := string(c.BearerToken.Reveal())
	if token == "" && len(c.PeerCertificates) > 0 {
		return peerOf(c.PeerCertificates[0].DNSNames[0]), nil
	}
	switch token {
	case "":
		return Peer{}, fmt.Errorf("%w: no token", ErrUnauthenticated)
	case "out-of-order":
		return Peer{}, errors.New("the review of tokens is away")
	case "revoked":
		return Peer{}, fmt.Errorf("%w: the token was revoked", ErrPermissionDenied)
	}
	workload, ok := strings.CutPrefix(token, "token-of-")
	if !ok {
		return Peer{}, fmt.Errorf("%w: the token is garbage", ErrUnauthenticated)
	}
	return peerOf(workload), nil
}

func peerOf(workload string) Peer {
	return Peer{
		Node: "shop/" + workload, Cluster: "shop/" + workload, Namespace: "shop", ServiceAccount: workload, Workload: workload,
		Identity: "spiffe://cluster.local/ns/shop/sa/" + workload,
	}
}

// records is an Observer that remembers.
type records struct {
	mu     sync.Mutex
	nacks  []Nack
	pushes []Push
	acks   int
	closed []string
	denied []string
	panics int
}

func (r *records) with(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}
func (r *records) Opened(Peer) {}
func (r *records) Closed(_ Peer, reason string) {
	r.with(func() { r.closed = append(r.closed, reason) })
}

func (r *records) Refused(reason string) { r.with(func() { r.denied = append(r.denied, reason) }) }

func (r *records) Pushed(p Push)                   { r.with(func() { r.pushes = append(r.pushes, p) }) }
func (r *records) Acked(cache.Type, time.Duration) { r.with(func() { r.acks++ }) }
func (r *records) Nacked(n Nack)                   { r.with(func() { r.nacks = append(r.nacks, n) }) }
func (r *records) Queued(time.Duration)            {}
func (r *records) Panicked(Peer)                   { r.with(func() { r.panics++ }) }

// vault is a source of secrets that a test fills.
type vault struct {
	mu      sync.Mutex
	secrets map[string]Secret
	asked   []string
	failing bool
	open    map[*vaultSession]struct{}
}

// vaultSession is one stream's access to a vault.
type vaultSession struct {
	*vault
	changed func()
}

func newVault() *vault {
	return &vault{secrets: map[string]Secret{}, open: map[*vaultSession]struct{}{}}
}

func (v *vault) Open(_ Peer, changed func()) SecretSession {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := &vaultSession{v, changed}
	v.open[s] = struct{}{}
	return s
}

func (s *vaultSession) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, s)
}

// change tells every stream that the roots changed.
func (v *vault) change() {
	v.mu.Lock()
	defer v.mu.Unlock()
	for s := range v.open {
		s.changed()
	}
}

func (v *vault) Secret(_ context.Context, name, have string) (Secret, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.asked = append(v.asked, name+"@"+have)
	if v.failing {
		return Secret{}, errors.New("the authority is away")
	}
	s, ok := v.secrets[name]
	if !ok {
		return Secret{}, fmt.Errorf("%q: %w", name, ErrNoSecret)
	}
	if s.Version == have {
		s.Body = Redacted{}
	}
	return s, nil
}

// asks counts what was asked for.
func (v *vault) asks() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.asked)
}

// put stores a secret; renew of zero is never.
func (v *vault) put(name, version string, renew time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := Secret{Version: version, Body: Redact([]byte("secret " + name + " " + version)), Expires: time.Now().Add(24 * time.Hour)}
	if renew > 0 {
		s.Renew = time.Now().Add(renew)
	}
	v.secrets[name] = s
}

// mesh is a server with its store, reached over TLS in memory.
type mesh struct {
	tb       testing.TB
	store    *cache.Store
	server   *Server
	listener *bufconn.Listener
	observer *records
	vault    *vault
	synced   chan struct{}
	logs     *logBuffer
}

// newMesh starts a server. change may adjust its configuration.
func newMesh(tb testing.TB, change func(*Config)) *mesh {
	tb.Helper()
	m := &mesh{tb: tb, store: cache.NewStore(), observer: &records{}, vault: newVault(), logs: &logBuffer{}}
	config := Config{Store: m.store, Auth: tokens{}, Secrets: m.vault, Observer: m.observer, Logger: m.logs.logger()}
	if change != nil {
		change(&config)
	}
	server, err := New(config)
	if err != nil {
		tb.Fatal(err)
	}
	m.server = server
	carries, err := server.Transport(serverTLS())
	if err != nil {
		tb.Fatal(err)
	}
	m.listener = bufconn.Listen(1 << 16)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = carries.Serve(m.listener)
	}()
	tb.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = server.Drain(ctx)
		_ = carries.Stop(ctx)
		<-served
	})
	return m
}

func serverTLS() *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{selfsigned.Certificate()}, MinVersion: tls.VersionTLS13, NextProtos: []string{"h2"},
		ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: selfsigned.Roots(),
	}
}

func clientTLS() *tls.Config { return selfsigned.Client() }

// dial connects a client that is closed with the test.
func (m *mesh) dial(certs ...tls.Certificate) *grpc.ClientConn {
	m.tb.Helper()
	config := clientTLS()
	config.Certificates = certs
	conn, err := grpc.NewClient("passthrough:///mesh", grpc.WithTransportCredentials(credentials.NewTLS(config)),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return m.listener.DialContext(ctx) }))
	if err != nil {
		m.tb.Fatal(err)
	}
	m.tb.Cleanup(func() { _ = conn.Close() })
	return conn
}

// client is one delta stream that remembers what it received.
type client struct {
	workload string
	stream   discovery.AggregatedDiscoveryService_DeltaAggregatedResourcesClient
	cancel   context.CancelFunc
	over     chan struct{}
	named    bool

	mu    sync.Mutex
	inbox []*discovery.DeltaDiscoveryResponse
	err   error
}

// connect opens a stream of a workload with a token.
func (m *mesh) connect(workload, token string) *client {
	m.tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	if token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
	}
	stream, err := discovery.NewAggregatedDiscoveryServiceClient(m.dial()).DeltaAggregatedResources(ctx)
	if err != nil {
		m.tb.Fatal(err)
	}
	c := &client{workload: workload, stream: stream, cancel: cancel, over: make(chan struct{})}
	go c.receive()
	m.tb.Cleanup(c.close)
	return c
}

func (c *client) receive() {
	defer close(c.over)
	for {
		r, err := c.stream.Recv()
		c.mu.Lock()
		if err != nil {
			c.err = err
			c.mu.Unlock()
			return
		}
		c.inbox = append(c.inbox, r)
		c.mu.Unlock()
	}
}

func (c *client) close() {
	c.cancel()
	<-c.over
}

// send fills in the node of the first message.
func (c *client) send(r *discovery.DeltaDiscoveryRequest) {
	if !c.named && r.Node == nil {
		r.Node = envoyNode("shop/"+c.workload, "shop/"+c.workload)
	}
	c.named = true
	_ = c.stream.Send(r) // The end of the stream is seen by receive.
}

func envoyNode(id, cluster string) *core.Node {
	return &core.Node{
		Id: id, Cluster: cluster, UserAgentName: "envoy",
		UserAgentVersionType: &core.Node_UserAgentBuildVersion{UserAgentBuildVersion: &core.BuildVersion{
			Version: &typev3.SemanticVersion{MajorNumber: 1, MinorNumber: 40},
		}},
	}
}

// next returns the oldest response that was not looked at, nil if there is none.
func (c *client) next() *discovery.DeltaDiscoveryResponse {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.inbox) == 0 {
		return nil
	}
	r := c.inbox[0]
	c.inbox = c.inbox[1:]
	return r
}

func (c *client) ended() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// inBubble runs a test with a clock that jumps.
func inBubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	selfsigned.Certificate() // Made once, outside every bubble.
	synctest.Test(t, test)
}
