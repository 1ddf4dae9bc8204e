package serve_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"outrigger.dev/outrigger/cmd/outrigger/internal/serve"
	"outrigger.dev/outrigger/xds/debug"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// output is a log that a test may read while it is written.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// config returns a server of an empty mesh, on addresses that nobody else has.
func config(t *testing.T, log io.Writer) serve.Config {
	t.Helper()
	// The folder of a test has too long a path for a socket.
	data, err := os.MkdirTemp("", "outrigger") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(data) })
	return serve.Config{
		ConfigDir: t.TempDir(), DataDir: filepath.Join(data, "d"), TrustDomain: "cluster.local",
		XDSListen: freeAddress(t), MetricsListen: freeAddress(t), DrainTime: time.Second,
		Logger: slog.New(slog.NewTextHandler(log, nil)), Version: "test",
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// get asks until the server answers.
func get(t *testing.T, url string) (int, string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for range 1000 {
		response, err := client.Get(url)
		if err == nil {
			body, err := io.ReadAll(response.Body)
			response.Body.Close()
			if err != nil {
				t.Fatal(err)
			}
			return response.StatusCode, string(body)
		}
		<-ticker.C
	}
	t.Fatalf("%s does not answer", url)
	return 0, ""
}

func TestRunLeavesNothingBehind(t *testing.T) {
	log := &output{}
	c := config(t, log)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- serve.Run(ctx, c) }()

	if code, body := get(t, "http://"+c.MetricsListen+"/healthz"); code != http.StatusOK {
		t.Errorf("health: %d %s", code, body)
	}
	if code, body := get(t, "http://"+c.MetricsListen+"/metrics"); code != http.StatusOK || !strings.Contains(body, `outrigger_build_info{`) {
		t.Errorf("metrics: %d %s", code, body)
	}
	for _, path := range []string{"/debug/pprof/", "/proxies", "/resources", "/"} {
		if code, _ := get(t, "http://"+c.MetricsListen+path); code != http.StatusNotFound {
			t.Errorf("%s answers %d on the open listener", path, code)
		}
	}
	if _, err := debug.NewClient(c.DataDir).Proxies(t.Context()); err != nil {
		t.Error(err)
	}

	cancel()
	if err := <-ended; err != nil {
		t.Errorf("run: %v", err)
	}
	for _, name := range []string{debug.SocketName, debug.CSDSSocketName} {
		if _, err := os.Stat(filepath.Join(c.DataDir, name)); !os.IsNotExist(err) {
			t.Errorf("%s is left behind", name)
		}
	}
	for _, secret := range []string{"PRIVATE KEY", "eyJ"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log holds %s", secret)
		}
	}
	// Everything was given back: a second server starts on the same folder and addresses.
	ctx, cancel = context.WithCancel(t.Context())
	go func() { ended <- serve.Run(ctx, c) }()
	get(t, "http://"+c.MetricsListen+"/readyz")
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("second run: %v", err)
	}
}

func TestRunGivesEverythingBackWhenItCannotStart(t *testing.T) {
	c := config(t, io.Discard)
	taken, err := net.Listen("tcp", c.MetricsListen)
	if err != nil {
		t.Fatal(err)
	}
	if err := serve.Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "--metrics-listen "+c.MetricsListen) {
		t.Errorf("error %v, want one that names the flag", err)
	}
	taken.Close()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- serve.Run(ctx, c) }()
	get(t, "http://"+c.MetricsListen+"/healthz")
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("the next run: %v", err)
	}
}
