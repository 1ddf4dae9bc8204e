package fault_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"outrigger.dev/outrigger/test/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const bodySize = 100_000

// server answers every request with bodySize bytes.
func server(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(answer))
	t.Cleanup(s.Close)
	return s
}

func answer(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "100000")
	_, _ = w.Write(bytes.Repeat([]byte("x"), bodySize))
}

func host(s *httptest.Server) string { return s.Listener.Addr().String() }

// client keeps its connections.
func client(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// get returns how many bytes of the body came.
func get(ctx context.Context, c *http.Client, address string) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/some/path", nil)
	if err != nil {
		return 0, err
	}
	response, err := c.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return len(body), err
}

func set(t *testing.T, p *fault.Proxy, m fault.Mode) {
	t.Helper()
	if err := p.Set(m); err != nil {
		t.Fatal(err)
	}
}

func passes(t *testing.T, c *http.Client, p *fault.Proxy) {
	t.Helper()
	if n, err := get(t.Context(), c, p.Addr()); n != bodySize || err != nil {
		t.Fatalf("%d bytes, error %v", n, err)
	}
}

func TestPass(t *testing.T) {
	p, c := fault.Start(t, host(server(t))), client(t)
	passes(t, c, p)
	passes(t, c, p)
	count := p.Count()
	if count.Connections != 1 || count.Open != 1 || count.Down < 2*bodySize || count.Up < 50 {
		t.Errorf("count %+v", count)
	}
	c.CloseIdleConnections()
	if err := p.Await(t.Context(), func(c fault.Count) bool { return c.Open == 0 }); err != nil {
		t.Error(err)
	}
	if log := p.Log(); len(log) != 1 || log[0].Closed.IsZero() || log[0].Sent != nil {
		t.Errorf("log %+v", log)
	}
}

func TestCutAndBack(t *testing.T) {
	p, c := fault.Start(t, host(server(t))), client(t)
	passes(t, c, p)
	set(t, p, fault.Cut())
	if open := p.Count().Open; open != 0 {
		t.Errorf("%d connections are open", open)
	}
	if _, err := get(t.Context(), c, p.Addr()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("error %v, want %v", err, syscall.ECONNREFUSED)
	}
	set(t, p, fault.Pass())
	passes(t, c, p)
}

func TestCutBreaksWhatIsOpen(t *testing.T) {
	release := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer s.Close()
	defer close(release)
	p := fault.Start(t, host(s))
	response, err := client(t).Get("http://" + p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	set(t, p, fault.Cut())
	if _, err := io.ReadAll(response.Body); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("error %v, want %v", err, syscall.ECONNRESET)
	}
}

func TestHang(t *testing.T) {
	p, c := fault.Start(t, host(server(t))), client(t)
	passes(t, c, p)
	set(t, p, fault.Hang())
	for name, c := range map[string]*http.Client{"open": c, "new": client(t)} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if _, err := get(ctx, c, p.Addr()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("on an %s connection: error %v, want %v", name, err, context.DeadlineExceeded)
		}
		cancel()
	}
	if down := p.Count().Down; down > bodySize+1000 {
		t.Errorf("%d bytes came through", down)
	}
	set(t, p, fault.Pass())
	passes(t, c, p)
}

// What was asked while all hung is answered when it does no more.
func TestHangEnds(t *testing.T) {
	p := fault.Start(t, host(server(t)))
	set(t, p, fault.Hang())
	done := make(chan error, 1)
	c := client(t)
	go func() {
		_, err := get(t.Context(), c, p.Addr())
		done <- err
	}()
	if err := p.Await(t.Context(), func(c fault.Count) bool { return c.Open == 1 }); err != nil {
		t.Fatal(err)
	}
	set(t, p, fault.Pass())
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestResetInTheMiddleOfABody(t *testing.T) {
	p, c := fault.Start(t, host(server(t))), client(t)
	set(t, p, fault.ResetAfter(10_000))
	for range 2 {
		n, err := get(t.Context(), c, p.Addr())
		if !errors.Is(err, syscall.ECONNRESET) || n == 0 || n >= 10_000 {
			t.Errorf("%d bytes, error %v, want some and %v", n, err, syscall.ECONNRESET)
		}
	}
	for i, one := range p.Log() {
		if one.Down != 10_000 {
			t.Errorf("connection %d: %d bytes were relayed", i, one.Down)
		}
	}
	set(t, p, fault.Pass())
	passes(t, c, p)
}

// An open connection counts from when the mode was set.
func TestResetOfAnOpenConnection(t *testing.T) {
	p, c := fault.Start(t, host(server(t))), client(t)
	passes(t, c, p)
	before := p.Count().Down
	set(t, p, fault.ResetAfter(5_000))
	if n, err := get(t.Context(), c, p.Addr()); !errors.Is(err, syscall.ECONNRESET) || n >= 5_000 {
		t.Errorf("%d bytes, error %v", n, err)
	}
	if more := p.Count().Down - before; more != 5_000 || p.Count().Connections != 1 {
		t.Errorf("%d bytes more on %d connections", more, p.Count().Connections)
	}
}

func TestSlow(t *testing.T) {
	p, c := fault.Start(t, host(server(t))), client(t)
	set(t, p, fault.Slow(bodySize*5))
	start := time.Now()
	passes(t, c, p)
	if took := time.Since(start); took < 150*time.Millisecond || took > 5*time.Second {
		t.Errorf("it took %v, want about 200ms", took)
	}
	set(t, p, fault.Slow(1))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := get(ctx, client(t), p.Addr()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want %v", err, context.DeadlineExceeded)
	}
}

func TestDrop(t *testing.T) {
	p := fault.Start(t, host(server(t)))
	conn, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := p.Await(t.Context(), func(c fault.Count) bool { return c.Open == 1 }); err != nil {
		t.Fatal(err)
	}
	p.Drop()
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("error %v, want %v", err, syscall.ECONNRESET)
	}
	passes(t, client(t), p)
}

func TestServerIsAway(t *testing.T) {
	s := server(t)
	p, c := fault.Start(t, host(s)), client(t)
	s.Close()
	if _, err := get(t.Context(), c, p.Addr()); err == nil {
		t.Error("there is an answer")
	}
}

func TestLogOfRequests(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(answer))
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert"), filepath.Join(dir, "key")
	writePair(t, s, cert, key)
	p, err := fault.Listen(fault.Config{Target: host(s), Keep: 1000, TLS: &fault.TLS{CertFile: cert, KeyFile: key, CAFile: cert}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	c := s.Client()
	defer c.CloseIdleConnections()
	response, err := c.Get("https://" + p.Addr() + "/some/path?consistent=")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err := io.ReadAll(response.Body); len(body) != bodySize || err != nil {
		t.Errorf("%d bytes, error %v", len(body), err)
	}
	if log := p.Log(); len(log) != 1 || !strings.HasPrefix(string(log[0].Sent), "GET /some/path?consistent= HTTP/1.1\r\n") {
		t.Errorf("log %+v", log)
	}
}

// writePair writes the certificate and the key of a server.
func writePair(t *testing.T, s *httptest.Server, cert, key string) {
	t.Helper()
	pair := s.TLS.Certificates[0]
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: pair.Certificate[0]}, key: {Type: "PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestListenNeedsAnAddress(t *testing.T) {
	for _, address := range []string{"nonsense", "[::1]:0", "192.0.2.1:1"} {
		if p, err := fault.Listen(fault.Config{Address: address, Target: "127.0.0.1:1"}); err == nil {
			p.Close()
			t.Errorf("%s: no error", address)
		}
	}
}
