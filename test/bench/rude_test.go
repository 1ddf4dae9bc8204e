package main

import (
	"bytes"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"outrigger.dev/outrigger/certs"
	"outrigger.dev/outrigger/test/golden"
	"outrigger.dev/outrigger/test/rude"
)

func TestReportOfRude(t *testing.T) {
	r := &rudeResult{
		envoys: 3,
		quiet: service{
			p50: 1200 * time.Microsecond, p99: 9 * time.Millisecond, worst: 12 * time.Millisecond, cores: 0.051, memory: 85_000_000,
			toACK: histogram{count: 200, schema: 3, buckets: map[int]int64{-80: 190, -60: 10}},
		},
		beside: service{
			p50: 1500 * time.Microsecond, p99: 11 * time.Millisecond, worst: 30 * time.Millisecond, cores: 0.4, memory: 134_000_000,
		},
		kinds: []string{"refuses all\t1 connections", "1,000 streams\t8 connections, 7275 Unavailable"},
	}
	var text bytes.Buffer
	if err := report(&text, options{services: 1000, streams: 100}, figures{rude: r}); err != nil {
		t.Fatal(err)
	}
	golden.Files(t, "testdata/rude", map[string][]byte{"report.txt": text.Bytes()})
}

// TestCrowdTellsWhatEndsWrong runs the crowd against a server that serves nothing: its streams end as none may.
func TestCrowdTellsWhatEndsWrong(t *testing.T) {
	t.Setenv(asCommand, "1")
	dir := t.TempDir()
	c, err := (&target{dir: dir, address: serveNothing(t, dir)}).annoy(t.Context(), len(rude.Kinds())+1)
	if err != nil {
		t.Fatal(err)
	}
	kinds, err := c.end(t.Context())
	if len(kinds) != len(rude.Kinds()) || !strings.HasPrefix(kinds[0], "refuses all\t") {
		t.Errorf("the crowd says %q", kinds)
	}
	if err == nil || !strings.Contains(err.Error(), "streams ended with Unimplemented") {
		t.Errorf("error %v, want one of streams that are unimplemented", err)
	}
}

// serveNothing serves gRPC without a service, with the authority of a data folder.
func serveNothing(t *testing.T, dir string) string {
	t.Helper()
	authority, err := certs.Open(certs.Config{Dir: dir + "/data", TrustDomain: trustDomain})
	if err != nil {
		t.Fatal(err)
	}
	config, err := authority.ServerTLS(nil)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(config)))
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String()
}

func TestCrowdSaysNothing(t *testing.T) {
	if kinds, err := readCrowd([]string{saidBegun}); err == nil {
		t.Errorf("a crowd that said nothing ended well: %q", kinds)
	}
}
