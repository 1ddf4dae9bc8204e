package rude_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"slices"
	"testing"

	_ "github.com/envoyproxy/go-control-plane/envoy/service/cluster/v3" // Its methods are called, too, as are those of all below.
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/service/endpoint/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/service/extension/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/service/health/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/service/listener/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/service/load_stats/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/service/route/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/service/runtime/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/service/secret/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/service/status/v3"
	"google.golang.org/grpc"
	_ "google.golang.org/grpc/channelz/grpc_channelz_v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	_ "google.golang.org/grpc/reflection/grpc_reflection_v1"
	_ "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"outrigger.dev/outrigger/certs"
	"outrigger.dev/outrigger/test/mesh"
	"outrigger.dev/outrigger/test/rig"
)

// served are the only methods that the port for proxies has.
var served = []string{
	discovery.AggregatedDiscoveryService_DeltaAggregatedResources_FullMethodName,
	discovery.AggregatedDiscoveryService_StreamAggregatedResources_FullMethodName,
}

// TestEveryMethodNeedsCredentials calls, at the port of the process, every method of every service that is linked
// in here: those of xDS, of Envoy's other servers, and gRPC's health, reflection and channelz. Without good credentials
// the two of ADS are Unauthenticated or denied, and all others are not there, whoever asks.
func TestEveryMethodNeedsCredentials(t *testing.T) {
	r := newRig(t, 0)
	methods := allMethods()
	if len(methods) < 40 || !slices.Contains(methods, "/grpc.health.v1.Health/Check") ||
		!slices.Contains(methods, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo") {
		t.Fatalf("%d methods are known", len(methods))
	}
	conn := r.dial(t, r.tls)
	for name, caller := range map[string]struct {
		headers []string
		want    codes.Code
	}{
		"nothing":                 {nil, codes.Unauthenticated},
		"an empty token":          {[]string{"Bearer "}, codes.Unauthenticated},
		"garbage":                 {[]string{"Bearer garbage"}, codes.Unauthenticated},
		"two tokens":              {[]string{"Bearer " + r.token(t, "good-0"), "Bearer " + r.token(t, "good-0")}, codes.Unauthenticated},
		"another mesh's token":    {[]string{"Bearer " + r.foreignToken(t)}, codes.Unauthenticated},
		"an unknown workload":     {[]string{"Bearer " + r.token(t, "nobody")}, codes.PermissionDenied},
		"another service account": {[]string{"Bearer " + r.tokenOf(t, "thief", "good-0")}, codes.PermissionDenied},
	} {
		for _, method := range methods {
			err := call(t.Context(), conn, method, caller.headers)
			want := codes.Unimplemented
			if slices.Contains(served, method) {
				want = caller.want
			}
			if status.Code(err) != want {
				t.Errorf("%s with %s: %v, want %s", method, name, err, want)
			}
		}
	}
	for _, method := range methods {
		err := call(t.Context(), conn, method, []string{"Bearer " + r.token(t, "good-0")})
		if got := status.Code(err); !slices.Contains(served, method) && got != codes.Unimplemented {
			t.Errorf("%s with a good token: %v", method, err)
		} else if slices.Contains(served, method) && (got == codes.Unauthenticated || got == codes.PermissionDenied) {
			t.Errorf("%s with a good token: %v", method, err)
		}
	}
}

// TestForeignCertificates: a certificate that the mesh's authority has not signed does not even get a connection, and one
// that it has signed, but for no workload, is no credential.
func TestForeignCertificates(t *testing.T) {
	r := newRig(t, 0)
	stranger, err := mesh.Stranger()
	if err != nil {
		t.Fatal(err)
	}
	thief, err := r.Forger()
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		forger *mesh.Forger
		want   codes.Code
	}{
		"a stranger's":        {stranger, codes.Unavailable},
		"that of no workload": {thief, codes.Unauthenticated},
	} {
		config, err := test.forger.Client("spiffe://cluster.local/ns/bench/sa/client", "h2")
		if err != nil {
			t.Fatal(err)
		}
		conn := r.dial(t, config)
		for _, method := range served {
			if err := call(t.Context(), conn, method, nil); status.Code(err) != test.want {
				t.Errorf("%s with a certificate, %s: %v, want %s", method, name, err, test.want)
			}
		}
	}
	// Plain text is no way around.
	conn := r.dial(t, nil)
	for _, method := range served {
		if err := call(t.Context(), conn, method, []string{"Bearer " + r.token(t, "good-0")}); status.Code(err) != codes.Unavailable {
			t.Errorf("%s without TLS: %v", method, err)
		}
	}
}

// allMethods are the full names of all methods of all services that are linked in.
func allMethods() []string {
	var names []string
	protoregistry.GlobalFiles.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			service := file.Services().Get(i)
			for j := range service.Methods().Len() {
				names = append(names, "/"+string(service.FullName())+"/"+string(service.Methods().Get(j).Name()))
			}
		}
		return true
	})
	slices.Sort(names)
	return names
}

// dial connects with a TLS configuration; nil is plain text.
func (r *rigged) dial(t *testing.T, config *tls.Config) *grpc.ClientConn {
	t.Helper()
	how := insecure.NewCredentials()
	if config != nil {
		how = credentials.NewTLS(config)
	}
	conn, err := grpc.NewClient("passthrough:///"+r.XDS(), grpc.WithTransportCredentials(how))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// call sends garbage, which must not even be read, and returns what is answered.
func call(ctx context.Context, conn *grpc.ClientConn, method string, headers []string) error {
	ctx, cancel := context.WithTimeout(metadata.NewOutgoingContext(ctx, metadata.MD{"authorization": headers}), rig.Limit)
	defer cancel()
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, method)
	if err != nil {
		return err
	}
	message := &discovery.DeltaDiscoveryRequest{}
	message.ProtoReflect().SetUnknown([]byte("\x12\xff\xff\xff\xff\x07"))
	// io.EOF: the server has ended the stream already, and RecvMsg says why.
	if err := stream.SendMsg(message); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return stream.RecvMsg(&discovery.DeltaDiscoveryResponse{})
}

// foreignToken is a token for a workload of this mesh, signed by another mesh of the same name.
func (r *rigged) foreignToken(t *testing.T) string {
	t.Helper()
	signer, err := certs.NewTokenSigner(certs.TokenConfig{Dir: t.TempDir(), TrustDomain: trustDomain})
	if err != nil {
		t.Fatal(err)
	}
	return (&rigged{signer: signer}).token(t, "good-0")
}
