package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"outrigger.dev/outrigger/xds/cache"
)

// xdsClient is a proxy made of nothing but its stream.
type xdsClient struct {
	server, roots, name, token, node, cluster, refuse string
	hold, stall                                       bool

	stream discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesClient
	// waiting are the types, and the names of secrets, whose first answer has not come.
	waiting map[string]struct{}
}

// xdsClientMain is the command of the scripts: it asks for everything, acknowledges it, and prints
// "type name version" for every resource and "type name gone" for every removal.
// Without -hold it ends after the first answer to each type.
func xdsClientMain() {
	c := &xdsClient{waiting: map[string]struct{}{}}
	flag.StringVar(&c.server, "server", "", "address of the server")
	flag.StringVar(&c.name, "name", "outrigger", "name in the server's certificate")
	flag.StringVar(&c.roots, "roots", "", "file of roots")
	flag.StringVar(&c.token, "token", "", "file of the token; none: no token is sent")
	flag.StringVar(&c.node, "node", "", "node id")
	flag.StringVar(&c.cluster, "cluster", "", "node cluster")
	flag.StringVar(&c.refuse, "refuse", "", "name of a resource to refuse")
	flag.BoolVar(&c.hold, "hold", false, "stay until the server ends the stream")
	flag.BoolVar(&c.stall, "stall", false, "never answer a response")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	// A script that fails must not wait for a client.
	ctx, cancel := context.WithTimeout(ctx, 2*awaitLimit)
	defer cancel()
	if err := c.run(ctx); err != nil {
		fmt.Println("ended:", status.Code(err), status.Convert(err).Message())
		os.Exit(1)
	}
}

func (c *xdsClient) run(ctx context.Context) error {
	conn, err := c.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	if c.token != "" {
		token, err := os.ReadFile(c.token)
		if err != nil {
			return err
		}
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+strings.TrimSpace(string(token)))
	}
	c.stream, err = discoveryv3.NewAggregatedDiscoveryServiceClient(conn).DeltaAggregatedResources(ctx)
	if err != nil {
		return err
	}
	if err := c.subscribe(); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	for len(c.waiting) > 0 || c.hold {
		response, err := c.stream.Recv()
		if err != nil {
			return err
		}
		if err := c.handle(response); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
	return nil
}

func (c *xdsClient) dial() (*grpc.ClientConn, error) {
	pem, err := os.ReadFile(c.roots)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("no roots in " + c.roots)
	}
	return grpc.NewClient("passthrough:///"+c.server, grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{
		RootCAs: pool, ServerName: c.name, MinVersion: tls.VersionTLS13,
	})))
}

// subscribe asks for clusters and listeners, and for the two secrets by name. Endpoints and routes
// are asked for when the answers name them, as Envoy does.
func (c *xdsClient) subscribe() error {
	node := &corev3.Node{Id: c.node, Cluster: c.cluster}
	return errors.Join(
		c.ask(cache.Cluster, node, nil),
		c.ask(cache.Listener, nil, nil),
		c.ask(cache.Secret, nil, c.secrets()),
	)
}

// secrets are answered one by one.
func (c *xdsClient) secrets() []string {
	names := []string{"identity", "roots"}
	for _, name := range names {
		c.waiting[name] = struct{}{}
	}
	return names
}

func (c *xdsClient) ask(t cache.Type, node *corev3.Node, names []string) error {
	c.waiting[t.URL()] = struct{}{}
	return c.stream.Send(&discoveryv3.DeltaDiscoveryRequest{Node: node, TypeUrl: t.URL(), ResourceNamesSubscribe: names})
}

func (c *xdsClient) handle(r *discoveryv3.DeltaDiscoveryResponse) error {
	delete(c.waiting, r.TypeUrl)
	t, _ := cache.TypeOf(r.TypeUrl)
	ack := &discoveryv3.DeltaDiscoveryRequest{TypeUrl: r.TypeUrl, ResponseNonce: r.Nonce}
	var names []string
	for _, resource := range r.Resources {
		if resource.Name == c.refuse {
			ack.ErrorDetail = &rpcstatus.Status{Code: int32(codes.InvalidArgument), Message: "refused by the test: " + resource.Name}
		}
		delete(c.waiting, resource.Name)
		if strings.HasPrefix(resource.Name, "outbound|") {
			names = append(names, resource.Name)
		}
		fmt.Println(t, resource.Name, resource.Version)
	}
	for _, name := range r.RemovedResources {
		fmt.Println(t, name, "gone")
	}
	if c.stall {
		return nil
	}
	if err := c.stream.Send(ack); err != nil {
		return err
	}
	if t == cache.Cluster && len(names) > 0 {
		return c.ask(cache.Endpoints, nil, names)
	}
	return nil
}
