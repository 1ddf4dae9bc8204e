package envoy_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"outrigger.dev/outrigger/test/envoy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bootstrap answers every request on a free port, and has its admin interface
// where Start looks for it.
const bootstrap = `
admin: {address: {pipe: {path: admin.sock}}}
static_resources:
  listeners:
  - name: hello
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: hello
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {prefix: /}
                direct_response: {status: 200, body: {inline_string: hello}}
          http_filters:
          - name: router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
`

// start runs an Envoy with a bootstrap in a folder of its own.
func start(t *testing.T, ctx context.Context, text string) *envoy.Proxy {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "bootstrap.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := envoy.Start(ctx, envoy.Config{Dir: dir, Node: "shop/cart", Cluster: "shop/cart"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

// ready runs an Envoy and waits until it listens.
func ready(t *testing.T, ctx context.Context) *envoy.Proxy {
	t.Helper()
	p := start(t, ctx, bootstrap)
	wait, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if err := p.WaitReady(wait); err != nil {
		t.Fatal(err)
	}
	return p
}

// address returns where the listener hello is.
func address(t *testing.T, p *envoy.Proxy) string {
	t.Helper()
	body, err := p.Admin(t.Context(), http.MethodGet, "/listeners")
	if err != nil {
		t.Fatal(err)
	}
	name, addr, ok := strings.Cut(strings.TrimSpace(string(body)), "::")
	if !ok || name != "hello" {
		t.Fatalf("listeners: %q", body)
	}
	return addr
}

func TestRunningEnvoyServesAndTellsAboutItself(t *testing.T) {
	p := ready(t, t.Context())
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address(t, p), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if err != nil || string(body) != "hello" {
		t.Fatalf("answer %q, error %v", body, err)
	}

	stats, err := p.Stats(t.Context(), `^http\.hello\.downstream_rq_2xx$`)
	if err != nil || len(stats) != 1 || stats["http.hello.downstream_rq_2xx"] != 1 {
		t.Errorf("stats %v, error %v", stats, err)
	}
	dump, err := p.ConfigDump(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(dump) || !strings.Contains(string(dump), `"name": "hello"`) {
		t.Errorf("the dump of %d bytes is not JSON or does not hold the listener", len(dump))
	}
	info, err := p.Admin(t.Context(), http.MethodGet, "/server_info")
	if err != nil || !strings.Contains(string(info), `"id": "shop/cart"`) {
		t.Errorf("the node is not shop/cart: error %v, server info %.500s", err, info)
	}
	if _, err := p.Admin(t.Context(), http.MethodGet, "/nowhere"); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("unknown admin path: error %v, want one with 404", err)
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	if err := syscall.Kill(p.PID(), 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d after Stop: %v, want no such process", p.PID(), err)
	}
}

func TestEnvoyEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p := ready(t, ctx)
	cancel()
	<-p.Exited()
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
}

func TestStopTellsOfACrash(t *testing.T) {
	p := ready(t, t.Context())
	if err := syscall.Kill(p.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-p.Exited()
	if err := p.Stop(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("error %v, want one that says killed", err)
	}
}

func TestWaitReadyTellsWhyEnvoyEnded(t *testing.T) {
	p := start(t, t.Context(), "static_resources: {listeners: [{name: broken, no_such_field: 1}]}")
	err := p.WaitReady(t.Context())
	if err == nil || !strings.Contains(err.Error(), "no_such_field") {
		t.Errorf("error %v, want one that names no_such_field", err)
	}
}

func TestWaitReadyEndsWithItsContext(t *testing.T) {
	// Without an admin interface nobody ever says ready.
	p := start(t, t.Context(), "static_resources: {}")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := p.WaitReady(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want %v", err, context.DeadlineExceeded)
	}
}

func TestStartNeedsItsFolder(t *testing.T) {
	_, err := envoy.Start(t.Context(), envoy.Config{Dir: filepath.Join(t.TempDir(), "gone")})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v, want %v", err, os.ErrNotExist)
	}
}

func TestValidate(t *testing.T) {
	if err := envoy.Validate(t.Context(), []byte(bootstrap)); err != nil {
		t.Errorf("a good bootstrap: %v", err)
	}
	bad := strings.Replace(bootstrap, "stat_prefix: hello", "stat_prefix: ''", 1)
	err := envoy.Validate(t.Context(), []byte(bad))
	if err == nil || !strings.Contains(err.Error(), "StatPrefix") {
		t.Errorf("an empty stat_prefix: error %v, want one that names StatPrefix", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := envoy.Validate(ctx, []byte(bootstrap)); !errors.Is(err, context.Canceled) {
		t.Errorf("after its context: error %v, want %v", err, context.Canceled)
	}
}
