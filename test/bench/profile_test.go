package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"testing"

	"github.com/google/pprof/profile"

	"outrigger.dev/outrigger/xds/debug"
)

// profiled serves profiles of the test on the debug socket of a folder, which it returns.
func profiled(t *testing.T) string {
	t.Helper()
	data := t.TempDir()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", filepath.Join(data, debug.SocketName))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err := pprof.StartCPUProfile(w); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		pprof.StopCPUProfile()
	}))
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
	return data
}

func TestProfileTellsNothingOfTheMachine(t *testing.T) {
	p := newProfiler(profiled(t))
	for range 2 {
		if err := p.during(t.Context(), func() error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "default.pgo")
	if err := p.write(path); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	written, err := profile.Parse(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.parts) < 2 || len(written.SampleType) == 0 {
		t.Errorf("%d parts, samples of %v", len(p.parts), written.SampleType)
	}
	for _, m := range written.Mapping {
		if m.File != "" || m.BuildID != "" {
			t.Errorf("the profile names %q, %q", m.File, m.BuildID)
		}
	}
}

func TestProfileOfAServerThatIsGone(t *testing.T) {
	err := newProfiler(t.TempDir()).during(t.Context(), func() error { return nil })
	if err == nil || !strings.Contains(err.Error(), "profile") {
		t.Errorf("got %v", err)
	}
}
