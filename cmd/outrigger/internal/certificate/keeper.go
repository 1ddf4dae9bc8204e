package certificate

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"time"

	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/genproto/googleapis/rpc/code"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"

	"outrigger.dev/outrigger/certs"
)

// secretType is the type URL of a secret.
const secretType = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"

// keeper has what the control plane gave, over all connections.
type keeper struct {
	Config
	once bool
	// versions are those of what is kept, by name of the secret.
	versions map[string]string
	pair     certs.Pair
	expires  time.Time
	// server is the one that is turned to now; next is the number of the one after it.
	server string
	next   int
}

// written reports whether the folder holds a whole pair.
func (k *keeper) written() bool { return !k.expires.IsZero() }

// first turns to each server until one has given a pair, and stays with that one as follow does.
func (k *keeper) first(ctx context.Context) error {
	var errs []error
	for range k.Servers {
		err := k.follow(ctx)
		if k.written() || ctx.Err() != nil {
			return err
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// follow opens a stream to the next server and writes what comes, until it ends; the error says why.
func (k *keeper) follow(ctx context.Context) error {
	k.server = k.Servers[k.next%len(k.Servers)]
	k.next++
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, closeConn, err := k.open(ctx)
	if err != nil {
		return err
	}
	defer closeConn()
	if err := send(stream, k.firstRequest()); err != nil {
		return fmt.Errorf("control plane %s: %w", k.server, err)
	}
	for {
		response, err := stream.Recv()
		if err != nil {
			return fmt.Errorf("control plane %s: %w", k.server, err)
		}
		answer := k.take(ctx, response)
		if err := send(stream, answer); err != nil {
			return fmt.Errorf("control plane %s: %w", k.server, err)
		}
		if answer.GetErrorDetail() != nil {
			return errors.New(answer.GetErrorDetail().GetMessage())
		}
		if k.once && k.written() {
			return errWritten
		}
	}
}

// send sends a request. Why a stream has ended already is for Recv to say.
func send(stream secretStream, request *discoveryv3.DeltaDiscoveryRequest) error {
	if err := stream.Send(request); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// take writes what a response brought, and returns the answer to it.
func (k *keeper) take(ctx context.Context, r *discoveryv3.DeltaDiscoveryResponse) *discoveryv3.DeltaDiscoveryRequest {
	answer := &discoveryv3.DeltaDiscoveryRequest{TypeUrl: secretType, ResponseNonce: r.GetNonce()}
	if err := k.apply(ctx, r); err != nil {
		k.versions = nil // What the folder does not have is asked for again.
		answer.ErrorDetail = &rpcstatus.Status{Code: int32(code.Code_INTERNAL), Message: err.Error()}
	}
	return answer
}

func (k *keeper) apply(ctx context.Context, r *discoveryv3.DeltaDiscoveryResponse) error {
	for _, name := range r.GetRemovedResources() {
		return fmt.Errorf("control plane %s has no secret %q for workload %s/%s", k.server, name, k.Namespace, k.Workload)
	}
	for _, resource := range r.GetResources() {
		var secret tlsv3.Secret
		if err := proto.Unmarshal(resource.GetResource().GetValue(), &secret); err != nil {
			return fmt.Errorf("secret %q: %w", resource.GetName(), err)
		}
		switch resource.GetName() {
		case certs.NameRoots:
			k.pair.RootsPEM = secret.GetValidationContext().GetTrustedCa().GetInlineBytes()
		case certs.NameWorkload:
			k.pair.ChainPEM = secret.GetTlsCertificate().GetCertificateChain().GetInlineBytes()
			k.pair.Key = certs.NewPrivateKeyPEM(secret.GetTlsCertificate().GetPrivateKey().GetInlineBytes())
		}
		k.versions[resource.GetName()] = resource.GetVersion()
	}
	return k.write(ctx)
}

// write puts the pair into the folder once it is whole.
func (k *keeper) write(ctx context.Context) error {
	if len(k.pair.RootsPEM) == 0 || len(k.pair.ChainPEM) == 0 {
		return nil
	}
	leaf, err := leafOf(k.pair.ChainPEM)
	if err != nil {
		return err
	}
	if err := certs.WritePair(k.Dir, k.pair); err != nil {
		return err
	}
	k.expires = leaf.NotAfter
	k.Logger.InfoContext(ctx, "wrote certificate", "dir", k.Dir, "workload", k.Namespace+"/"+k.Workload,
		"identity", leaf.URIs[0].String(), "expires", leaf.NotAfter)
	return nil
}

// leafOf reads the first certificate of a chain.
func leafOf(chain []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(bytes.TrimSpace(chain))
	if block == nil {
		return nil, errors.New("the certificate is no PEM")
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("the certificate: %w", err)
	}
	if len(leaf.URIs) != 1 {
		return nil, errors.New("the certificate has no identity")
	}
	return leaf, nil
}
