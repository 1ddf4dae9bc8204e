package proxyless

import (
	"context"
	"crypto/tls"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	xdscreds "google.golang.org/grpc/credentials/xds"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/xds"

	"outrigger.dev/outrigger/test/rig"
)

// answer is what a server says of itself and of its caller.
type answer struct{ instance, caller string }

// tell answers with the instance's name and the caller's identity: that of its certificate, or what a sidecar says.
func tell(instance string) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		caller := ""
		if p, ok := peer.FromContext(ctx); ok {
			if info, ok := p.AuthInfo.(credentials.TLSInfo); ok && info.SPIFFEID != nil {
				caller = info.SPIFFEID.String()
			}
		}
		for _, xfcc := range metadata.ValueFromIncomingContext(ctx, "x-forwarded-client-cert") {
			caller = xfcc
		}
		if err := grpc.SetHeader(ctx, metadata.Pairs("instance", instance, "caller", caller)); err != nil {
			return nil, err
		}
		return next(ctx, req)
	}
}

// plainApp serves behind a sidecar.
func plainApp(t *testing.T, address, instance string) {
	t.Helper()
	server := grpc.NewServer(grpc.UnaryInterceptor(tell(instance)))
	healthv1.RegisterHealthServer(server, health.NewServer())
	serve(t, listen(t, address), server.Serve, server.Stop)
}

// xdsServer runs a server without a proxy and waits until it serves.
func xdsServer(t *testing.T, address, instance string, bootstrap []byte) {
	t.Helper()
	creds, err := xdscreds.NewServerCredentials(xdscreds.ServerOptions{FallbackCreds: insecure.NewCredentials()})
	if err != nil {
		t.Fatal(err)
	}
	serving := make(chan struct{}, 1)
	server, err := xds.NewGRPCServer(grpc.Creds(creds), grpc.UnaryInterceptor(tell(instance)), xds.BootstrapContentsForTesting(bootstrap),
		xds.ServingModeCallback(func(_ net.Addr, args xds.ServingModeChangeArgs) {
			t.Logf("%s at %s: %s %v", instance, address, args.Mode, args.Err)
			if args.Mode == connectivity.ServingModeServing {
				select {
				case serving <- struct{}{}:
				default:
				}
			}
		}))
	if err != nil {
		t.Fatal(err)
	}
	healthv1.RegisterHealthServer(server, health.NewServer())
	serve(t, listen(t, address), server.Serve, server.Stop)
	ctx, cancel := context.WithTimeout(t.Context(), rig.Limit)
	defer cancel()
	select {
	case <-serving:
	case <-ctx.Done():
		t.Fatalf("%s at %s does not serve", instance, address)
	}
}

func listen(t *testing.T, address string) net.Listener {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func serve(t *testing.T, l net.Listener, run func(net.Listener) error, stop func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = run(l)
	}()
	t.Cleanup(func() {
		stop()
		<-done
	})
}

// xdsDial dials a target as a program without a proxy.
func xdsDial(t *testing.T, target string, bootstrap []byte) *grpc.ClientConn {
	t.Helper()
	resolver, err := xds.NewXDSResolverWithConfigForTesting(bootstrap)
	if err != nil {
		t.Fatal(err)
	}
	creds, err := xdscreds.NewClientCredentials(xdscreds.ClientOptions{FallbackCreds: insecure.NewCredentials()})
	if err != nil {
		t.Fatal(err)
	}
	return dial(t, "xds:///"+target, grpc.WithTransportCredentials(creds), grpc.WithResolvers(resolver))
}

// plainDial dials an address, by TLS where there is a configuration.
func plainDial(t *testing.T, address string, config *tls.Config) *grpc.ClientConn {
	t.Helper()
	creds := insecure.NewCredentials()
	if config != nil {
		creds = credentials.NewTLS(config)
	}
	return dial(t, address, grpc.WithTransportCredentials(creds))
}

func dial(t *testing.T, target string, options ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(target, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// call asks a server for its health and returns who answered.
func call(ctx context.Context, conn *grpc.ClientConn) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, rig.Limit/4)
	defer cancel()
	var header metadata.MD
	_, err := healthv1.NewHealthClient(conn).Check(ctx, &healthv1.HealthCheckRequest{}, grpc.Header(&header))
	if err != nil {
		return answer{}, err
	}
	return answer{first(header["instance"]), first(header["caller"])}, nil
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}
