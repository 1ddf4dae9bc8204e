package rude

import (
	"context"
	"errors"
	"fmt"
	"io"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

const typePrefix = "type.googleapis.com/envoy."

// typeURLs are what a proxy asks for.
var typeURLs = []string{
	typePrefix + "config.cluster.v3.Cluster", typePrefix + "config.listener.v3.Listener",
	typePrefix + "config.endpoint.v3.ClusterLoadAssignment", typePrefix + "config.route.v3.RouteConfiguration",
	typePrefix + "extensions.transport_sockets.tls.v3.Secret",
}

const endpoints = typePrefix + "config.endpoint.v3.ClusterLoadAssignment"

// over is a stream over gRPC, with what has come and was not looked at.
type over struct {
	spoken
	came chan *discovery.DeltaDiscoveryResponse
	done chan struct{} // closed when the stream has ended
}

// spoken is a stream in either form of the protocol, in the words of the delta form.
type spoken interface {
	Send(*discovery.DeltaDiscoveryRequest) error
	Recv() (*discovery.DeltaDiscoveryResponse, error)
}

// speak begins a stream in the client's form.
func (c *client) speak(ctx context.Context, conn *grpc.ClientConn) (spoken, error) {
	ads := discovery.NewAggregatedDiscoveryServiceClient(conn)
	if !c.sotw {
		return ads.DeltaAggregatedResources(ctx)
	}
	stream, err := ads.StreamAggregatedResources(ctx)
	return &stateOfTheWorld{stream: stream, names: names{}}, err
}

// dial connects a client of gRPC; a round closes it.
func (c *client) dial() (*grpc.ClientConn, error) {
	conn, err := grpc.NewClient("passthrough:///"+c.config.Address, grpc.WithTransportCredentials(credentials.NewTLS(c.config.TLS)),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64<<20)))
	if err != nil {
		return nil, fmt.Errorf("a rude client: %w", err)
	}
	return conn, nil
}

// with runs a round on one stream that is read all the time.
func (c *client) with(ctx context.Context, do func(ctx context.Context, s *over)) error {
	conn, err := c.dial()
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithCancel(ctx)
	s := c.open(ctx, conn)
	if s == nil {
		cancel()
		return nil
	}
	do(ctx, s)
	cancel()
	<-s.done
	return nil
}

// open begins a stream and counts its end, unless ctx ends before; nil if it could not begin.
func (c *client) open(ctx context.Context, conn *grpc.ClientConn) *over {
	ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+c.config.Token)
	stream, err := c.speak(ctx, conn)
	if err != nil {
		c.ended(ctx, err)
		return nil
	}
	s := &over{stream, make(chan *discovery.DeltaDiscoveryResponse, 1), make(chan struct{})}
	go func() {
		defer close(s.done)
		for {
			r, err := stream.Recv()
			if err != nil {
				c.ended(ctx, err)
				return
			}
			s.keep(r)
		}
	}()
	return s
}

// keep leaves the newest response only: rude clients do not read all.
func (s *over) keep(r *discovery.DeltaDiscoveryResponse) {
	select {
	case <-s.came:
	default:
	}
	s.came <- r
}

// ended counts how the server ended a stream. That the client itself did does not count.
func (c *client) ended(ctx context.Context, err error) {
	switch {
	case ctx.Err() != nil:
	case errors.Is(err, io.EOF):
		c.tally.ended(codes.OK, "")
	default:
		c.tally.ended(status.Code(err), err.Error())
	}
}

// say sends a request; that the stream has ended is seen where it is read.
func (s *over) say(r *discovery.DeltaDiscoveryRequest) { _ = s.Send(r) }

// alive reports whether the stream has not ended.
func (s *over) alive() bool {
	select {
	case <-s.done:
		return false
	default:
		return true
	}
}

func (c *client) node() *corev3.Node {
	return &corev3.Node{Id: c.config.Node, Cluster: c.config.Cluster, UserAgentName: "envoy"}
}

func refusal(url, nonce string) *discovery.DeltaDiscoveryRequest {
	return &discovery.DeltaDiscoveryRequest{
		TypeUrl: url, ResponseNonce: nonce, ErrorDetail: &rpcstatus.Status{Code: 3, Message: "no\x1b[2J\n"},
	}
}
