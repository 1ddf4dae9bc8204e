package main

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"outrigger.dev/outrigger/test/bench/adsclient"
	"outrigger.dev/outrigger/test/selfsigned"
)

// listener is a server that has nothing to say.
type listener struct {
	discovery.UnimplementedAggregatedDiscoveryServiceServer
}

func (listener) DeltaAggregatedResources(s discovery.AggregatedDiscoveryService_DeltaAggregatedResourcesServer) error {
	for {
		if _, err := s.Recv(); err != nil {
			return err
		}
	}
}

// TestSettleWaitsForEverybody: clients that have all, and so get nothing, are not taken for settled before each has a stream,
// also where nobody computes because the server does not answer.
func TestSettleWaitsForEverybody(t *testing.T) {
	var listen net.ListenConfig
	l, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	link := &adsclient.Link{}
	client := adsclient.Config{Address: l.Addr().String(), TLS: selfsigned.Client("h2"), Node: "shop/web", Cluster: "shop/web"}
	shared := client
	shared.Link = link
	f := newFleet([]adsclient.Config{client, shared, shared})
	ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
	defer cancel()
	if err := f.connect(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("settled while nobody was served: %v", err)
	}
	f.disconnect()
	server := grpc.NewServer(grpc.Creds(credentials.NewServerTLSFromCert(new(selfsigned.Certificate()))))
	discovery.RegisterAggregatedDiscoveryServiceServer(server, listener{})
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	if err := f.connect(t.Context()); err != nil || !f.complete() {
		t.Errorf("not all are open: %v", err)
	}
	f.disconnect()
	if f.clients[0].Open() || f.complete() {
		t.Error("clients that ended are open")
	}
	server.Stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
}
