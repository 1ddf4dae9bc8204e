package mesh_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"google.golang.org/grpc"
	"google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"

	"outrigger.dev/outrigger/test/rig"
)

// page is an HTTP/1.1 and HTTP/2 (prior knowledge) application. It answers with
// its name, the HTTP version of the request and the caller's certificate.
type page string

func (p page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if websocket.IsWebSocketUpgrade(r) {
		echoWebSocket(w, r)
		return
	}
	fmt.Fprintf(w, "%s %s %s\n", p, r.Proto, r.Header.Get("x-forwarded-client-cert"))
}

// echoWebSocket sends every message back until the client closes.
func echoWebSocket(w http.ResponseWriter, r *http.Request) {
	conn, err := new(websocket.Upgrader).Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	for {
		kind, message, err := conn.ReadMessage()
		if err != nil || conn.WriteMessage(kind, message) != nil {
			return
		}
	}
}

// servePage serves a page on an address until the test ends.
func servePage(t *testing.T, address, name string) {
	t.Helper()
	server := &http.Server{Handler: page(name), ReadHeaderTimeout: rig.Limit, Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	serve(t, listen(t, address), server.Serve, server.Close)
}

// serveBoth serves a page, and is an echo server for whoever does not speak HTTP.
func serveBoth(t *testing.T, address, name string) {
	t.Helper()
	forward := &forward{conns: make(chan net.Conn), done: make(chan struct{})}
	server := &http.Server{Handler: page(name), ReadHeaderTimeout: rig.Limit, Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	serve(t, forward, server.Serve, server.Close)
	serveTCP(t, address, func(conn net.Conn) {
		buffered := &peeked{Conn: conn, reader: bufio.NewReader(conn), closed: make(chan struct{})}
		switch start, _ := buffered.reader.Peek(3); string(start) {
		case "GET", "PRI":
			forward.hand(buffered)
		default:
			echo(buffered)
		}
	})
}

// forward is a listener whose connections are handed to it.
type forward struct {
	net.Listener

	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

// hand gives a connection to the server, and returns when that has closed it.
func (f *forward) hand(conn *peeked) {
	select {
	case f.conns <- conn:
		<-conn.closed
	case <-f.done:
	}
}

func (f *forward) Accept() (net.Conn, error) {
	select {
	case conn := <-f.conns:
		return conn, nil
	case <-f.done:
		return nil, net.ErrClosed
	}
}

func (f *forward) Addr() net.Addr { return &net.TCPAddr{} }

func (f *forward) Close() error {
	f.once.Do(func() { close(f.done) })
	return nil
}

// peeked is a connection whose first bytes have been looked at.
type peeked struct {
	net.Conn

	reader *bufio.Reader
	closed chan struct{}
	once   sync.Once
}

func (p *peeked) Read(b []byte) (int, error) { return p.reader.Read(b) }

func (p *peeked) Close() error {
	p.once.Do(func() { close(p.closed) })
	return p.Conn.Close()
}

// serveTCP handles each connection to an address until the test ends.
func serveTCP(t *testing.T, address string, handle func(net.Conn)) {
	t.Helper()
	serveListener(t, listen(t, address), handle)
}

// serveListener handles each connection of a listener until the test ends.
func serveListener(t *testing.T, listener net.Listener, handle func(net.Conn)) {
	t.Helper()
	var tasks sync.WaitGroup
	var open sync.Map
	accept := func(l net.Listener) error {
		for {
			conn, err := l.Accept()
			if err != nil {
				return err
			}
			open.Store(conn, nil)
			tasks.Go(func() {
				defer open.Delete(conn)
				defer conn.Close()
				handle(conn)
			})
		}
	}
	serve(t, listener, accept, func() error {
		err := listener.Close()
		open.Range(func(conn, _ any) bool { return conn.(net.Conn).Close() == nil || true })
		tasks.Wait()
		return err
	})
}

func echo(conn net.Conn) { _, _ = io.Copy(conn, conn) }

// greet is a protocol in which the server speaks first.
func greet(conn net.Conn) {
	fmt.Fprint(conn, "220 welcome\n")
	echo(conn)
}

// serveTLS is an echo server with TLS of its own, and the name it shows.
func serveTLS(t *testing.T, address string, cert tls.Certificate) {
	t.Helper()
	config := &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert}}
	serveListener(t, tls.NewListener(listen(t, address), config), echo)
}

// rpc is the application of the gRPC tests.
type rpc struct {
	grpc_testing.UnimplementedTestServiceServer
}

// UnaryCall answers with the certificate of the caller.
func (rpc) UnaryCall(ctx context.Context, _ *grpc_testing.SimpleRequest) (*grpc_testing.SimpleResponse, error) {
	headers, _ := metadata.FromIncomingContext(ctx)
	return &grpc_testing.SimpleResponse{Username: strings.Join(headers.Get("x-forwarded-client-cert"), ",")}, nil
}

// FullDuplexCall sends every message back.
func (rpc) FullDuplexCall(stream grpc.BidiStreamingServer[grpc_testing.StreamingOutputCallRequest, grpc_testing.StreamingOutputCallResponse]) error {
	for {
		request, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.Send(&grpc_testing.StreamingOutputCallResponse{Payload: request.GetPayload()}); err != nil {
			return err
		}
	}
}

// serveRPC serves gRPC on an address until the test ends.
func serveRPC(t *testing.T, address string) {
	t.Helper()
	server := grpc.NewServer()
	grpc_testing.RegisterTestServiceServer(server, rpc{})
	serve(t, listen(t, address), server.Serve, func() error {
		server.Stop()
		return nil
	})
}

func listen(t *testing.T, address string) net.Listener {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

// serve runs a server until the test ends, and waits for its goroutine.
func serve(t *testing.T, listener net.Listener, run func(net.Listener) error, stop func() error) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		// It ends with the error that it was closed.
		_ = run(listener)
	}()
	t.Cleanup(func() {
		if err := stop(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		<-done
	})
}

// deadline gives a connection the time that a test has.
func deadline(t *testing.T, conn net.Conn) {
	t.Helper()
	if err := conn.SetDeadline(time.Now().Add(rig.Limit)); err != nil {
		t.Fatal(err)
	}
}
