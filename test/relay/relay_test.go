package relay_test

import (
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"outrigger.dev/outrigger/test/relay"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// double answers every byte with two.
func double(t *testing.T) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var tasks sync.WaitGroup
	tasks.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			tasks.Go(func() {
				defer conn.Close()
				b := make([]byte, 1)
				for {
					if _, err := io.ReadFull(conn, b); err != nil {
						return
					}
					if _, err := conn.Write([]byte{b[0], b[0]}); err != nil {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		tasks.Wait()
	})
	return listener.Addr().String()
}

func start(t *testing.T, target string) *relay.Relay {
	t.Helper()
	r, err := relay.Listen(t.Context(), "127.0.0.1:0", target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func dial(t *testing.T, r *relay.Relay) net.Conn {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func exchange(t *testing.T, conn net.Conn) {
	t.Helper()
	if _, err := fmt.Fprint(conn, "abc"); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 6)
	if _, err := io.ReadFull(conn, answer); err != nil || string(answer) != "aabbcc" {
		t.Fatalf("the answer is %q, error %v", answer, err)
	}
}

func TestRelayCountsBothDirections(t *testing.T) {
	r := start(t, double(t))
	exchange(t, dial(t, r))
	before := r.Count()
	if want := (relay.Count{Connections: 1, Up: 3, Down: 6}); before != want {
		t.Errorf("counted %+v, want %+v", before, want)
	}
	exchange(t, dial(t, r))
	if got, want := r.Count().Minus(before), (relay.Count{Connections: 1, Up: 3, Down: 6}); got != want {
		t.Errorf("the second connection counted %+v, want %+v", got, want)
	}
}

func TestCutEndsOpenConnectionsOnly(t *testing.T) {
	r := start(t, double(t))
	conn := dial(t, r)
	exchange(t, conn)
	r.Cut()
	if n, err := conn.Read(make([]byte, 1)); err == nil {
		t.Errorf("read %d bytes over a connection that was cut", n)
	}
	exchange(t, dial(t, r))
}

func TestConnectionWithoutATargetIsClosed(t *testing.T) {
	r := start(t, "127.0.0.1:1")
	if n, err := dial(t, r).Read(make([]byte, 1)); err == nil {
		t.Errorf("read %d bytes", n)
	}
}

func TestCloseEndsTheTargetsSideToo(t *testing.T) {
	r := start(t, double(t))
	conn := dial(t, r)
	exchange(t, conn)
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if n, err := conn.Read(make([]byte, 1)); err == nil {
		t.Errorf("read %d bytes after Close", n)
	}
}
