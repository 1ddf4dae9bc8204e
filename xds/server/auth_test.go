package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"outrigger.dev/outrigger/test/selfsigned"
	"outrigger.dev/outrigger/xds/cache"
)

// TestEveryMethodNeedsCredentials lists the methods of the server and calls
// each without credentials and with foreign ones. The message is garbage: it must not even be read.
func TestEveryMethodNeedsCredentials(t *testing.T) {
	headers := map[string]struct {
		values []string
		want   codes.Code
	}{
		"none":          {nil, codes.Unauthenticated},
		"empty":         {[]string{""}, codes.Unauthenticated},
		"no bearer":     {[]string{"Basic dXNlcjpwdw=="}, codes.Unauthenticated},
		"empty bearer":  {[]string{"Bearer "}, codes.Unauthenticated},
		"garbage":       {[]string{"Bearer garbage"}, codes.Unauthenticated},
		"two":           {[]string{"Bearer token-of-web", "Bearer token-of-web"}, codes.Unauthenticated},
		"revoked":       {[]string{"Bearer revoked"}, codes.PermissionDenied},
		"cannot review": {[]string{"Bearer out-of-order"}, codes.Unavailable},
	}
	inBubble(t, func(t *testing.T) {
		t.Helper()
		m := newMesh(t, nil)
		conn := m.dial()
		methods := 0
		for method := range m.server.methods() {
			methods++
			for name, header := range headers {
				ctx, cancel := context.WithCancel(metadata.NewOutgoingContext(context.Background(),
					metadata.MD{"authorization": header.values}))
				err := callWithGarbage(ctx, conn, method)
				cancel()
				if status.Code(err) != header.want {
					t.Errorf("%s with %s: %v", method, name, err)
				}
			}
		}
		if methods != 2 {
			t.Errorf("the server has %d methods, want those of ADS only", methods)
		}
		if strings.Contains(m.logs.String(), "out-of-order") {
			t.Errorf("a token was logged: %s", m.logs)
		}
	})
}

// rawCodec sends bytes as they are.
type rawCodec struct{}

func (rawCodec) Marshal(v any) ([]byte, error)      { return v.([]byte), nil }
func (rawCodec) Unmarshal(data []byte, v any) error { *v.(*[]byte) = data; return nil }
func (rawCodec) Name() string                       { return "proto" }

func callWithGarbage(ctx context.Context, conn *grpc.ClientConn, method string) error {
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, method, grpc.ForceCodec(rawCodec{}))
	if err != nil {
		return err
	}
	// io.EOF: the server has ended the stream already, and RecvMsg says why.
	if err := stream.SendMsg([]byte("\xff\xff\xff garbage")); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	var answer []byte
	return stream.RecvMsg(&answer)
}

// TestForeignCredentials: a token for one workload does not open the stream of another.
func TestForeignCredentials(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		t.Helper()
		m := newMesh(t, nil)
		m.admit("web", "other")
		c := m.connect("web", "token-of-other")
		c.send(&discovery.DeltaDiscoveryRequest{TypeUrl: cache.Cluster.URL()})
		synctest.Wait()
		err := c.ended()
		if status.Code(err) != codes.PermissionDenied || !strings.Contains(err.Error(), `"shop/web"`) || !strings.Contains(err.Error(), `"shop/other"`) {
			t.Fatalf("the stream ended with %v", err)
		}
	})
}

// TestClientCertificate: a certificate that TLS verified is a credential like a token.
func TestClientCertificate(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		t.Helper()
		m := newMesh(t, nil)
		m.store.Publish(cache.Publication{Nodes: map[string]*cache.ViewSpec{"shop/outrigger": {Scope: cache.All}}})
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		stream, err := discovery.NewAggregatedDiscoveryServiceClient(m.dial(selfsigned.Certificate())).DeltaAggregatedResources(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.Send(&discovery.DeltaDiscoveryRequest{
			TypeUrl: cache.Cluster.URL(), Node: envoyNode("shop/outrigger", "shop/outrigger"),
		}); err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestGarbageFromAPeer: bytes that are no message end their own stream as invalid.
func TestGarbageFromAPeer(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		t.Helper()
		m := newMesh(t, nil)
		m.admit("web")
		ctx, cancel := context.WithCancel(metadata.AppendToOutgoingContext(context.Background(), "authorization", "Bearer token-of-web"))
		defer cancel()
		for _, method := range []string{
			discovery.AggregatedDiscoveryService_DeltaAggregatedResources_FullMethodName,
			discovery.AggregatedDiscoveryService_StreamAggregatedResources_FullMethodName,
		} {
			if err := callWithGarbage(ctx, m.dial(), method); status.Code(err) != codes.InvalidArgument {
				t.Fatalf("%s: got %v", method, err)
			}
		}
	})
}

// TestRedacted: no way of printing shows a secret.
func TestRedacted(t *testing.T) {
	const secret = "s3cret"
	held := struct {
		Token  Redacted
		Secret Secret
		inner  Redacted
	}{Redact([]byte(secret)), Secret{Version: "1", Body: Redact([]byte(secret))}, Redact([]byte(secret))}
	text, err := json.Marshal(held)
	if err != nil {
		t.Fatal(err)
	}
	logs := &logBuffer{}
	logs.logger().Info("held", "all", held, "token", held.Token, "secret", held.Secret)
	for _, printed := range []string{
		string(text), logs.String(), fmt.Sprint(held), fmt.Sprintf("%+v", held), fmt.Sprintf("%#v", held),
		fmt.Sprintf("%s %x %q", held.Token, held.Token, held.Token), held.Token.String(),
	} {
		if strings.Contains(printed, secret) || strings.Contains(printed, "73337265") || strings.Contains(printed, "115 51") {
			t.Errorf("printed %s", printed)
		}
	}
	if string(held.Token.Reveal()) != secret || held.Token.IsZero() || !Redact(nil).IsZero() {
		t.Error("the secret itself is lost")
	}
}

// faultyAuth is an authenticator that panics.
type faultyAuth struct{}

func (faultyAuth) Authenticate(context.Context, Credentials, func(error)) (Admission, error) {
	panic("a fault in authentication")
}

// TestPanicInAuthentication: a fault in who lets peers in refuses that peer, is counted, and tells the client nothing.
func TestPanicInAuthentication(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		t.Helper()
		m := newMesh(t, func(c *Config) { c.Auth = faultyAuth{} })
		c := m.connect("web", "token-of-web")
		synctest.Wait()
		if err := c.ended(); status.Code(err) != codes.Internal || strings.Contains(err.Error(), "fault") {
			t.Errorf("the client was told %v", err)
		}
		if m.observer.panics != 1 || !strings.Contains(m.logs.String(), "stream panicked") {
			t.Errorf("counted %d, logged %s", m.observer.panics, m.logs)
		}
	})
}
