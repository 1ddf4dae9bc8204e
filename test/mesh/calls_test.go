package mesh_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/interop/grpc_testing"

	"outrigger.dev/outrigger/test/rig"
)

// dial connects to an address, with TLS when there is a config.
func dial(t *testing.T, address string, config *tls.Config) (net.Conn, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), rig.Limit)
	defer cancel()
	var conn net.Conn
	var err error
	if config == nil {
		conn, err = new(net.Dialer).DialContext(ctx, "tcp", address)
	} else {
		conn, err = (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", address)
	}
	if err != nil {
		return nil, err
	}
	deadline(t, conn)
	t.Cleanup(func() { conn.Close() })
	return conn, nil
}

// get sends one request of HTTP/1.1, or of another version, over a connection
// of its own, and returns the body of the answer.
func get(t *testing.T, address string, config *tls.Config, version string) (string, error) {
	t.Helper()
	conn, err := dial(t, address, config)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	return rig.Get(conn, "/", version)
}

// get1 is get for HTTP/1.1 in plain text.
func get1(t *testing.T, address string) (string, error) {
	t.Helper()
	return get(t, address, nil, "HTTP/1.1")
}

// get2 sends one request of HTTP/2 with prior knowledge.
func get2(t *testing.T, address string) (string, error) {
	t.Helper()
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport, Timeout: rig.Limit}).Get("http://" + address)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	return rig.Body(resp)
}

// say sends a line over a connection and returns the line that comes back.
func say(conn net.Conn, line string) (string, error) {
	if _, err := fmt.Fprintln(conn, line); err != nil {
		return "", err
	}
	return readLine(conn)
}

// readLine reads byte by byte, so that nothing of the next line is taken.
func readLine(conn net.Conn) (string, error) {
	var line strings.Builder
	one := make([]byte, 1)
	for {
		if _, err := io.ReadFull(conn, one); err != nil {
			return line.String(), err
		}
		if one[0] == '\n' {
			return line.String(), nil
		}
		line.WriteByte(one[0])
	}
}

// echoTCP checks that a TCP connection carries bytes both ways.
func echoTCP(t *testing.T, address string, config *tls.Config) error {
	t.Helper()
	conn, err := dial(t, address, config)
	if err != nil {
		return err
	}
	defer conn.Close()
	// Long enough to be told from TLS at once: its records begin with five bytes.
	for _, line := range []string{"line one", "line two"} {
		got, err := say(conn, line)
		if err != nil {
			return err
		}
		if got != line {
			return fmt.Errorf("said %q, came back %q", line, got)
		}
	}
	return nil
}

// greeting checks a protocol in which the server speaks first.
func greeting(t *testing.T, address string) error {
	t.Helper()
	conn, err := dial(t, address, nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	line, err := readLine(conn)
	if err != nil || line != "220 welcome" {
		return fmt.Errorf("the greeting was %q, error %v", line, err) //nolint:errorlint // nil is one of the two ways to fail
	}
	got, err := say(conn, "hello")
	if err != nil || got != "hello" {
		return fmt.Errorf("said hello, came back %q, error %v", got, err) //nolint:errorlint // the same
	}
	return nil
}

// webSocket checks that messages go both ways after an upgrade.
func webSocket(t *testing.T, address string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), rig.Limit)
	defer cancel()
	conn, resp, err := websocket.DefaultDialer.DialContext(ctx, "ws://"+address+"/", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	defer conn.Close()
	for _, message := range []string{"one", "two"} {
		if err := conn.WriteMessage(websocket.TextMessage, []byte(message)); err != nil {
			return err
		}
		_, got, err := conn.ReadMessage()
		if err != nil {
			return err
		}
		if string(got) != message {
			return fmt.Errorf("sent %q, came back %q", message, got)
		}
	}
	return nil
}

// dialRPC opens a gRPC client that never repeats a call.
func dialRPC(t *testing.T, address string) grpc_testing.TestServiceClient {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+address,
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDisableRetry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return grpc_testing.NewTestServiceClient(conn)
}

// unary makes one call and returns the certificate that the server saw.
func unary(t *testing.T, address string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), rig.Limit)
	defer cancel()
	resp, err := dialRPC(t, address).UnaryCall(ctx, &grpc_testing.SimpleRequest{})
	return resp.GetUsername(), err
}

// stream checks that messages go both ways on one stream, one at a time.
func stream(t *testing.T, address string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), rig.Limit)
	defer cancel()
	s, err := dialRPC(t, address).FullDuplexCall(ctx)
	if err != nil {
		return err
	}
	for i := range 3 {
		body := fmt.Sprintf("message %d", i)
		if err := s.Send(&grpc_testing.StreamingOutputCallRequest{Payload: &grpc_testing.Payload{Body: []byte(body)}}); err != nil {
			return err
		}
		got, err := s.Recv()
		if err != nil {
			return err
		}
		if string(got.GetPayload().GetBody()) != body {
			return fmt.Errorf("sent %q, came back %q", body, got.GetPayload().GetBody())
		}
	}
	return s.CloseSend()
}
