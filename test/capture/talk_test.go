package capture_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"outrigger.dev/outrigger/test/netlab"
	"outrigger.dev/outrigger/test/rig"
)

// serve runs the applications of a pod on all of its addresses, until the test ends.
func (p *pod) serve(t *testing.T) {
	t.Helper()
	p.page(t, ":"+strconv.Itoa(portHTTP))
	p.tcp(t, ":"+strconv.Itoa(portTCP), echo)
	p.tcp(t, ":"+strconv.Itoa(portFirst), greet)
	p.tcp(t, ":"+strconv.Itoa(portDetect), greet)
}

// page answers with the pod's name, where the connection came from, and the caller's certificate.
func (p *pod) page(t *testing.T, address string) {
	t.Helper()
	server := &http.Server{ReadHeaderTimeout: rig.Limit, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, _ := net.SplitHostPort(r.RemoteAddr)
		fmt.Fprintf(w, "%s from=%s cert=%s", p.Name, host, r.Header.Get("x-forwarded-client-cert"))
	})}
	p.run(t, server, address)
}

// run serves until the test ends.
func (p *pod) run(t *testing.T, server *http.Server, address string) {
	t.Helper()
	listener := p.listen(t, address)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener) // It ends with the error that it was closed.
	}()
	t.Cleanup(func() {
		server.Close()
		<-done
	})
}

func (p *pod) listen(t *testing.T, address string) net.Listener {
	t.Helper()
	listener, err := p.Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

// tcp handles each connection until the test ends.
func (p *pod) tcp(t *testing.T, address string, handle func(net.Conn)) {
	t.Helper()
	listener := p.listen(t, address)
	var tasks sync.WaitGroup
	tasks.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			tasks.Go(func() {
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(rig.Limit))
				handle(conn)
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		tasks.Wait()
	})
}

func echo(conn net.Conn) { _, _ = io.Copy(conn, conn) }

// greet is a protocol in which the server speaks first. It tells where the connection came from.
func greet(conn net.Conn) {
	host, _, _ := net.SplitHostPort(conn.RemoteAddr().String())
	fmt.Fprintf(conn, "220 welcome %s\n", host)
	echo(conn)
}

// caller is a user in a pod.
type caller struct {
	pod *netlab.Pod
	uid int
}

func at(address netip.Addr, port int) netip.AddrPort {
	return netip.AddrPortFrom(address, uint16(port))
}

// dial connects as a user.
func dial(t *testing.T, from caller, to netip.AddrPort) (net.Conn, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), rig.Limit)
	defer cancel()
	conn, err := from.pod.DialAs(ctx, from.uid, to.String())
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { conn.Close() })
	return conn, conn.SetDeadline(time.Now().Add(rig.Limit))
}

// get asks for a path, and returns the body of the answer.
func get(t *testing.T, from caller, to netip.AddrPort, path string) (string, error) {
	t.Helper()
	conn, err := dial(t, from, to)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	return rig.Get(conn, path, "HTTP/1.1")
}

// say sends a line after the greeting, if there is one, and wants it back. It returns the greeting.
func say(t *testing.T, from caller, to netip.AddrPort, greeted bool) (string, error) {
	t.Helper()
	conn, err := dial(t, from, to)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	reader, greeting := bufio.NewReader(conn), ""
	if greeted {
		if greeting, err = reader.ReadString('\n'); err != nil {
			return greeting, err
		}
	}
	const line = "is there anybody\n"
	if _, err := io.WriteString(conn, line); err != nil {
		return greeting, err
	}
	if got, err := reader.ReadString('\n'); err != nil || got != line {
		return greeting, fmt.Errorf("said %q, came back %q: %w", line, got, err)
	}
	return strings.TrimSpace(greeting), nil
}
