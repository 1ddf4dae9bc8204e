package adsclient

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"outrigger.dev/outrigger/test/selfsigned"
	"outrigger.dev/outrigger/xds/cache"
)

// testLimit is how long anything in a test may take.
const testLimit = 20 * time.Second

// server is one of gRPC's own.
type server struct {
	discoveryv3.UnimplementedAggregatedDiscoveryServiceServer

	serve   func(discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesServer) error
	address string
	tls     *tls.Config
}

func (s *server) DeltaAggregatedResources(stream discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesServer) error {
	return s.serve(stream)
}

func listen(t *testing.T, serve func(discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesServer) error) *server {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{serve: serve, address: l.Addr().String(), tls: selfsigned.Client("h2")}
	g := grpc.NewServer(grpc.Creds(credentials.NewServerTLSFromCert(new(selfsigned.Certificate()))), grpc.MaxRecvMsgSize(64<<20))
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(g, s)
	done := make(chan error, 1)
	go func() { done <- g.Serve(l) }()
	t.Cleanup(func() {
		g.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s
}

// client returns a client of the server and what it received.
func (s *server) client(link *Link) (*Client, <-chan Response) {
	received := make(chan Response, 100)
	return New(Config{
		Address: s.address, TLS: s.tls, Link: link, Token: "secret", Node: "shop/web", Cluster: "shop/default",
		Received: func(_ *Client, r Response) { received <- r },
	}), received
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testLimit)
	t.Cleanup(cancel)
	return ctx
}

// TestLargeMessages: messages beyond every window come whole, in both directions, and many of them.
func TestLargeMessages(t *testing.T) {
	const rounds, large = 4, 9 << 20
	big := strings.Repeat("x", large)
	asked := make(chan *discoveryv3.DeltaDiscoveryRequest, 2)
	s := listen(t, func(stream discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesServer) error {
		for i := range rounds {
			r, err := stream.Recv()
			if err != nil {
				return err
			}
			if i == 0 {
				asked <- r
			}
			if err := stream.Send(&discoveryv3.DeltaDiscoveryResponse{
				TypeUrl: cache.Route.URL(), Nonce: fmt.Sprint(i), RemovedResources: []string{big, fmt.Sprint(i)},
			}); err != nil {
				return err
			}
		}
		token := metadata.ValueFromIncomingContext(stream.Context(), "authorization")
		return status.Errorf(codes.DataLoss, "it was %s", token)
	})
	c, received := s.client(nil)
	for i := range 3000 { // More than the first windows hold.
		c.versions[cache.Cluster][c.config.Texts.number(fmt.Sprintf("outbound|80||a-rather-long-name-%d.shop", i))] = c.config.Texts.number("version")
	}
	err := c.Run(within(t))
	if want := "it was [Bearer secret]"; status.Code(err) != codes.DataLoss || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %q", err, want)
	}
	for i := range rounds {
		if r := <-received; len(r.Removed) != 2 || r.Removed[0] != big || r.Removed[1] != fmt.Sprint(i) {
			t.Errorf("message %d: %d bytes", i, r.Bytes)
		}
	}
	if r := <-asked; len(r.GetInitialResourceVersions()) != 3000 || r.GetNode().GetId() != "shop/web" {
		t.Errorf("%d versions of %s", len(r.GetInitialResourceVersions()), r.GetNode())
	}
}

// TestSharedConnection: what one stream says, and its end, does not reach another one of the same connection.
func TestSharedConnection(t *testing.T) {
	began := make(chan struct{}, 2)
	s := listen(t, func(stream discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesServer) error {
		began <- struct{}{}
		for {
			if _, err := stream.Recv(); err != nil {
				return err
			}
		}
	})
	link := &Link{}
	first, _ := s.client(link)
	second, _ := s.client(link)
	ctx := within(t)
	one, endOne := context.WithCancel(ctx)
	two, endTwo := context.WithCancel(ctx)
	ended := make(chan error, 2)
	go func() { ended <- first.Run(one) }()
	<-began
	go func() { ended <- second.Run(two) }()
	<-began
	endOne()
	if err := <-ended; one.Err() == nil || err == nil {
		t.Error(err)
	}
	if first.Open() || !second.Open() {
		t.Errorf("open: %t, %t", first.Open(), second.Open())
	}
	endTwo()
	if err := <-ended; err == nil {
		t.Error("it ended by itself")
	}
}

// TestSaysWhyTheStreamEnded: the status, its text and its details are the server's; a connection that is gone is Unavailable.
func TestSaysWhyTheStreamEnded(t *testing.T) {
	away, err := status.New(codes.Unavailable, "come at 100 %, later").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	for name, why := range map[string]error{
		"with details": away.Err(), "plain": status.Error(codes.PermissionDenied, "not “you”"), "no error": nil,
	} {
		t.Run(name, func(t *testing.T) {
			s := listen(t, func(discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesServer) error { return why })
			c, _ := s.client(nil)
			got := status.Convert(c.Run(within(t)))
			want := status.Convert(why)
			if why == nil {
				want = status.New(codes.Unknown, "the server ended the stream")
			}
			if got.Code() != want.Code() || !strings.Contains(got.Message(), want.Message()) || len(got.Details()) != len(want.Details()) {
				t.Errorf("%v %v, want %v", got, got.Details(), want)
			}
		})
	}
	c := New(Config{Address: "127.0.0.1:1", TLS: selfsigned.Client("h2")})
	if err := c.Run(within(t)); status.Code(err) != codes.Unavailable {
		t.Errorf("error %v", err)
	}
}
