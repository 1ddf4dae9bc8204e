package transport

import (
	"io"
	"net"
	"os"
	"sync"
	"testing"
)

// descriptors counts those of the process.
func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// pairOverTCP returns a socket whose descriptor is its own, and its client's end.
func pairOverTCP(t *testing.T, work *sync.WaitGroup) (*socket, net.Conn) {
	t.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	client, err := new(net.Dialer).DialContext(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close()
	s := newSocket(conn, work)
	s.drained, s.broken = func() {}, func(error) {}
	if s.detach(); !s.own {
		t.Fatal("the descriptor is not the socket's own")
	}
	return s, client
}

// fill writes until the kernel takes no more, and returns how much that was.
func fill(t *testing.T, s *socket) (size int64) {
	t.Helper()
	piece := make([]byte, record)
	for !s.isBusy() {
		n, err := s.Write(piece)
		if err != nil {
			t.Fatal(err)
		}
		size += int64(n)
	}
	return size
}

// TestOwnDescriptors: a socket gives back the descriptor that it has, and the one that it makes for a client that does not read.
func TestOwnDescriptors(t *testing.T) {
	var idle sync.WaitGroup
	s, client := pairOverTCP(t, &idle) // Go's own poller stands from now on.
	_, _ = s.Close(), client.Close()
	for name, end := range map[string]func(t *testing.T, s *socket, client net.Conn){
		"nothing is left": func(t *testing.T, s *socket, _ net.Conn) {
			t.Helper()
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		},
		"the client reads what is left": func(t *testing.T, s *socket, client net.Conn) {
			t.Helper()
			size := fill(t, s)
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if n, err := io.Copy(io.Discard, client); n != size || err != nil {
				t.Errorf("%d of %d bytes came: %v", n, size, err)
			}
		},
		"the client reads, and all goes on": func(t *testing.T, s *socket, client net.Conn) {
			t.Helper()
			drained := make(chan struct{})
			s.drained = func() { close(drained) }
			size := fill(t, s)
			if n, err := io.CopyN(io.Discard, client, size); err != nil {
				t.Errorf("%d of %d bytes came: %v", n, size, err)
			}
			<-drained
			if n, err := s.Write(make([]byte, 10)); n != 10 || err != nil || s.isBusy() {
				t.Errorf("then %d bytes were written: %v", n, err)
			}
			_ = s.Close()
		},
		"the client is gone, and nobody writes": func(t *testing.T, s *socket, client net.Conn) {
			t.Helper()
			broken := make(chan error, 1)
			s.broken = func(err error) { broken <- err }
			fill(t, s)
			_ = client.Close()
			if err := <-broken; err == nil {
				t.Error("it broke without an error")
			}
			_ = s.Close()
		},
		"the client is gone": func(t *testing.T, s *socket, client net.Conn) {
			t.Helper()
			fill(t, s)
			_ = client.Close()
			_ = s.Close()
		},
		"the connection is abandoned": func(t *testing.T, s *socket, _ net.Conn) {
			t.Helper()
			fill(t, s)
			s.abandon()
		},
	} {
		t.Run(name, func(t *testing.T) {
			before := descriptors(t)
			var work sync.WaitGroup
			s, client := pairOverTCP(t, &work)
			end(t, s, client)
			work.Wait()
			_ = client.Close()
			if after := descriptors(t); after != before {
				t.Errorf("%d descriptors before, %d after", before, after)
			}
			if _, err := s.Write([]byte("x")); err == nil {
				t.Error("a socket that has ended was written to")
			}
		})
	}
}
