package certificate

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"

	"outrigger.dev/outrigger/certs"
)

// pings notice a control plane that has gone without a word, as often as it allows.
var pings = keepalive.ClientParameters{Time: 30 * time.Second, Timeout: 10 * time.Second, PermitWithoutStream: true}

type secretStream = grpc.BidiStreamingClient[discoveryv3.DeltaDiscoveryRequest, discoveryv3.DeltaDiscoveryResponse]

// open connects with the present token and roots.
func (k *keeper) open(ctx context.Context) (stream secretStream, closeConn func(), err error) {
	token, err := k.Token(ctx)
	if err != nil {
		return nil, nil, err
	}
	roots, err := k.pool()
	if err != nil {
		return nil, nil, err
	}
	conn, err := grpc.NewClient("dns:///"+k.server,
		grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{
			RootCAs: roots, ServerName: certs.ServerName, MinVersion: tls.VersionTLS13,
		})),
		grpc.WithPerRPCCredentials(bearer{token}), grpc.WithKeepaliveParams(pings))
	if err != nil {
		return nil, nil, fmt.Errorf("control plane %s: %w", k.server, err)
	}
	stream, err = discoveryv3.NewAggregatedDiscoveryServiceClient(conn).DeltaAggregatedResources(ctx)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("control plane %s: %w", k.server, err), conn.Close())
	}
	return stream, func() { _ = conn.Close() }, nil
}

func (k *keeper) pool() (*x509.CertPool, error) {
	data, err := k.Roots()
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, errors.New("roots: no certificate as PEM")
	}
	return pool, nil
}

// firstRequest asks for both secrets, with the versions of what is kept.
func (k *keeper) firstRequest() *discoveryv3.DeltaDiscoveryRequest {
	if k.versions == nil {
		k.versions = map[string]string{}
	}
	return &discoveryv3.DeltaDiscoveryRequest{
		Node: &corev3.Node{
			Id: k.Namespace + "/" + k.Workload, Cluster: k.Namespace + "/" + k.ServiceAccount, UserAgentName: "outrigger certificate",
		},
		TypeUrl:                 secretType,
		ResourceNamesSubscribe:  []string{certs.NameRoots, certs.NameWorkload},
		InitialResourceVersions: k.versions,
	}
}

// bearer shows the token in the headers of a stream.
type bearer struct{ token certs.Token }

// GetRequestMetadata returns the header.
func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + b.token.Reveal()}, nil
}

// RequireTransportSecurity is always true: a token goes over TLS only.
func (b bearer) RequireTransportSecurity() bool { return true }
