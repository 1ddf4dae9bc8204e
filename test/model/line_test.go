package model

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/test/bufconn"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/discovery/hold"
	"outrigger.dev/outrigger/discovery/merge"
	"outrigger.dev/outrigger/test/selfsigned"
	"outrigger.dev/outrigger/xds/build"
	"outrigger.dev/outrigger/xds/cache"
	"outrigger.dev/outrigger/xds/feed"
	"outrigger.dev/outrigger/xds/server"
	"outrigger.dev/outrigger/xds/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var registry = discovery.SourceID{Kind: "consul", Name: "dc1"}

// told is a source that says what it is given.
type told chan discovery.Update

// Run passes updates on.
func (s told) Run(ctx context.Context, out chan<- discovery.Update) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case u := <-s:
			out <- u
		}
	}
}

// line is everything from a registry to the port for proxies, as the server puts it together.
type line struct {
	t        *testing.T
	source   told
	feed     *feed.Feed
	store    *cache.Store
	listener *bufconn.Listener
}

// start runs it until the test ends; it is for a bubble.
func start(t *testing.T) *line {
	t.Helper()
	l := &line{t: t, source: make(told), store: cache.NewStore(), listener: bufconn.Listen(1 << 16)}
	held, err := hold.New(hold.Config{Source: l.source, ID: registry, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	l.feed, err = feed.New(feed.Config{
		Builder: build.New(build.Config{TrustDomain: "cluster.local"}), Store: l.store, Sources: []discovery.SourceID{registry},
		Observer: observer{},
	})
	if err != nil {
		t.Fatal(err)
	}
	believed := make(chan discovery.Update)
	l.run(func(ctx context.Context) error { return held.Run(ctx, believed) })
	l.run(func(ctx context.Context) error { return l.merge(ctx, believed) })
	l.run(l.feed.Run)
	l.serve()
	return l
}

// run has a stage run until the test ends.
func (l *line) run(stage func(context.Context) error) {
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- stage(ctx) }()
	l.t.Cleanup(func() {
		stop()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			l.t.Errorf("a stage ended with %v", err)
		}
	})
}

func (l *line) merge(ctx context.Context, believed <-chan discovery.Update) error {
	merged := merge.New()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case u := <-believed:
			for _, update := range merged.Apply(u).Updates {
				l.feed.Offer(feed.Input{Update: update})
			}
		}
	}
}

func (l *line) serve() {
	engine, err := server.New(server.Config{Store: l.store, Auth: admits{}})
	if err != nil {
		l.t.Fatal(err)
	}
	carries, err := engine.Transport(&tls.Config{
		Certificates: []tls.Certificate{selfsigned.Certificate()}, MinVersion: tls.VersionTLS13, NextProtos: []string{"h2"},
	})
	if err != nil {
		l.t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- carries.Serve(l.listener) }()
	l.t.Cleanup(func() {
		ctx, cut := context.WithCancel(context.Background())
		cut()
		_, _ = engine.Drain(ctx), carries.Stop(ctx)
		if err := <-served; !errors.Is(err, transport.ErrServerStopped) {
			l.t.Errorf("serving ended with %v", err)
		}
	})
}

// dial connects a client of gRPC.
func (l *line) dial() (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///mesh", grpc.WithTransportCredentials(credentials.NewTLS(selfsigned.Client())),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.listener.DialContext(ctx) }))
}

// admits takes a token for the node that it names.
type admits struct{}

// Authenticate lets in.
func (admits) Authenticate(_ context.Context, c server.Credentials, _ func(error)) (server.Admission, error) {
	node := string(c.BearerToken.Reveal())
	namespace, workload, ok := strings.Cut(node, "/")
	if !ok {
		return server.Admission{}, fmt.Errorf("%w: %q", server.ErrUnauthenticated, node)
	}
	return server.Admission{Peer: server.Peer{
		Node: node, Cluster: namespace + "/web", Namespace: namespace, ServiceAccount: "web", Workload: workload,
	}}, nil
}

// observer hears of what the feed does, which proxies see for themselves.
type observer struct{}

// Synced does nothing.
func (observer) Synced() {}

// Trouble does nothing.
func (observer) Trouble(discovery.SourceID, error) {}

// Applied does nothing.
func (observer) Applied(build.Changes, time.Duration) {}

// Sent does nothing.
func (observer) Sent(time.Duration) {}

// Propagated does nothing.
func (observer) Propagated(time.Duration) {}
