package translate_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
)

// httpApp answers with what it saw, in HTTP/1 and HTTP/2, and echoes after an upgrade to WebSocket.
func httpApp(t *testing.T, name string) netip.AddrPort {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{Protocols: protocols, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "websocket" {
			upgrade(w)
			return
		}
		w.Header().Set("Server", name)
		for h := range r.Header {
			w.Header().Set("Saw-"+h, r.Header.Get(h))
		}
		w.Header().Set("Saw-Host", r.Host)
		w.Header().Set("Saw-Path", r.URL.RequestURI())
		fmt.Fprintf(w, "%s %s", name, r.Proto)
	})}
	l := listen(t)
	serve(t, func() error { return server.Serve(l) }, func() { _ = server.Close() })
	return addressOf(l)
}

func upgrade(w http.ResponseWriter) {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
	_, _ = io.Copy(conn, buffered)
}

// grpcApp serves grpc.health.v1.
func grpcApp(t *testing.T) netip.AddrPort {
	t.Helper()
	server := grpc.NewServer()
	healthv1.RegisterHealthServer(server, health.NewServer())
	l := listen(t)
	serve(t, func() error { return server.Serve(l) }, server.Stop)
	return addressOf(l)
}

// tcpApp greets each connection first, then echoes lines.
func tcpApp(t *testing.T) netip.AddrPort {
	t.Helper()
	return lineApp(t, listen(t), "hello\n")
}

// echoApp waits for the client.
func echoApp(t *testing.T) netip.AddrPort {
	t.Helper()
	return lineApp(t, listen(t), "")
}

// tlsApp echoes over the application's own TLS, with a certificate that the mesh knows nothing of.
func tlsApp(t *testing.T) netip.AddrPort {
	t.Helper()
	own := newAuthority(t)
	return lineApp(t, tls.NewListener(listen(t), &tls.Config{
		Certificates: []tls.Certificate{own.pair("spiffe://elsewhere/app")}, NextProtos: []string{"h2", "line"},
	}), "")
}

func lineApp(t *testing.T, l net.Listener, greeting string) netip.AddrPort {
	t.Helper()
	serve(t, func() error {
		for {
			conn, err := l.Accept()
			if err != nil {
				return err
			}
			go echo(conn, greeting)
		}
	}, func() { _ = l.Close() })
	return addressOf(l)
}

func echo(conn net.Conn, greeting string) {
	defer conn.Close()
	if _, err := io.WriteString(conn, greeting); err != nil {
		return
	}
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		if _, err := fmt.Fprintf(conn, "echo %s\n", strings.TrimSpace(lines.Text())); err != nil {
			return
		}
	}
}

func addressOf(l net.Listener) netip.AddrPort { return netip.MustParseAddrPort(l.Addr().String()) }
