package replica

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"outrigger.dev/outrigger/certs"
	"outrigger.dev/outrigger/xds/cache"
	"outrigger.dev/outrigger/xds/debug"
	"outrigger.dev/outrigger/xds/server"
)

// engine is a fake of a server's streams.
type engine []server.StreamInfo

func (e engine) Streams(context.Context) []server.StreamInfo { return e }

// stand is a server of a mesh with the workloads a/p and a/q.
type stand struct {
	*Peers
	held    *Held
	service *debug.Service
}

// newStand makes a server; connected are those of the workloads that are connected to it.
func newStand(t *testing.T, dataDir, name string, config Config, connected ...string) *stand {
	t.Helper()
	store, ledger := cache.NewStore(), &debug.Ledger{}
	all := cache.ViewSpec{Layers: []cache.LayerID{"mesh"}, Scope: cache.All}
	rev, _ := store.Publish(cache.Publication{Nodes: map[string]*cache.ViewSpec{"a/p": &all, "a/q": &all}})
	ledger.Note("r1", rev, start)
	var streams engine
	for i, node := range connected {
		streams = append(streams, server.StreamInfo{
			Peer: server.Peer{Node: node}, Since: start.Add(time.Duration(i) * time.Second), Settled: rev, Latest: rev,
		})
	}
	s := &stand{service: debug.New(debug.Config{
		Store: store, Engine: streams, Replica: name, Ledger: ledger, Settings: map[string]string{"identity ttl": config.Place.Name},
	}), held: take(t, dataDir, name)}
	config.Own, config.Place, config.DataDir, config.Logger = s.service, s.held.Place, dataDir, slog.New(slog.DiscardHandler)
	s.Peers = New(config)
	t.Cleanup(s.close)
	return s
}

// listen serves the socket of the server's place until the returned function is called.
func (s *stand) listen(t *testing.T) func() {
	t.Helper()
	listener, err := debug.Listen(t.Context(), s.held.Dir, debug.SocketName)
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, listener, s.Handler(s.service.Handler()))
}

func serve(t *testing.T, listener net.Listener, handler http.Handler) func() {
	t.Helper()
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	ended := false
	end := func() {
		if !ended {
			ended = true
			_ = server.Close()
			if err := <-done; !errors.Is(err, http.ErrServerClosed) {
				t.Error(err)
			}
		}
	}
	t.Cleanup(end)
	return end
}

// folder is a data folder with a path that is short enough for sockets.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "outrigger") //nolint:usetesting // the folder of a test has too long a path for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// seen spells who answers, how, and with how many proxies.
func seen(answers []Answer) string {
	var parts []string
	for _, a := range answers {
		text := a.Name + " " + a.State
		if a.Report != nil {
			var names []string
			for _, p := range a.Report.Proxies {
				names = append(names, p.Name)
			}
			text += " with " + strings.Join(names, "+")
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ")
}

func TestReplicasOfOneFolderAnswerForEachOther(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	a, b := newStand(t, dir, Main, Config{}, "a/p"), newStand(t, dir, "b", Config{Place: Place{Name: "b"}}, "a/q")
	a.listen(t)
	end := b.listen(t)
	answers := a.Ask(t.Context(), false)
	if got := seen(answers); got != "main up with a/p, b up with a/q" {
		t.Error(got)
	}
	if got := answers[1].Differs; !slices.Equal(got, []string{"identity ttl: b, here "}) {
		t.Errorf("differences %q", got)
	}
	if got := seen(b.Ask(t.Context(), false)); got != "b up with a/q, main up with a/p" {
		t.Error(got)
	}
	proxies, err := NewClient(dir).Proxies(t.Context())
	if err != nil || len(proxies.Proxies) != 2 || proxies.Proxies[0].Stream().Replica != Main || proxies.Proxies[1].Stream().Replica != "b" {
		t.Errorf("proxies %+v, %v", proxies, err)
	}
	if proxy, err := NewClient(dir).Proxy(t.Context(), "a/q"); err != nil || proxy.Stream() == nil || proxy.Stream().Replica != "b" {
		t.Errorf("a/q: %+v, %v", proxy, err)
	}
	if _, err := NewClient(dir).Proxy(t.Context(), "a/nobody"); !errors.Is(err, debug.ErrNotFound) {
		t.Errorf("a/nobody: %v", err)
	}
	// The socket is gone and the lock says whose it is: as after a crash.
	end()
	if got := seen(a.Ask(t.Context(), false)); got != "main up with a/p, b ended" {
		t.Error(got)
	}
	if err := b.held.Close(); err != nil {
		t.Fatal(err)
	}
	if got := seen(a.Ask(t.Context(), false)); got != "main up with a/p" {
		t.Error(got)
	}
}

// TestAnyServerOfAFolderIsAsked: which one answers does not matter.
func TestAnyServerOfAFolderIsAsked(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	if _, err := NewClient(dir).Proxies(t.Context()); err == nil || !strings.Contains(err.Error(), filepath.Join(dir, debug.SocketName)) {
		t.Errorf("without a server: %v", err)
	}
	newStand(t, dir, "b", Config{}, "a/q").listen(t)
	if answers, err := NewClient(dir).Report(t.Context(), false); err != nil || seen(answers) != "b up with a/q" {
		t.Errorf("%s, %v", seen(answers), err)
	}
}

// far is a server on another machine, and how it is asked.
type far struct {
	*stand
	address string
	client  *tls.Config
	end     func()
}

func newFar(t *testing.T, authority *certs.Authority, name string) *far {
	t.Helper()
	config, client, err := authority.PeerTLS()
	if err != nil {
		t.Fatal(err)
	}
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &far{stand: newStand(t, folder(t), name, Config{}, "a/q"), address: listener.Addr().String(), client: client}
	f.end = serve(t, tls.NewListener(listener, config), f.service.PeerHandler())
	return f
}

func newAuthority(t *testing.T) *certs.Authority {
	t.Helper()
	authority, err := certs.Open(certs.Config{Dir: filepath.Join(t.TempDir(), "data"), TrustDomain: "cluster.local"})
	if err != nil {
		t.Fatal(err)
	}
	return authority
}

// TestLastWordOfWhoIsAwayStays: what a machine said last is there, and is not taken for an answer.
func TestLastWordOfWhoIsAwayStays(t *testing.T) {
	t.Parallel()
	f := newFar(t, newAuthority(t), Main)
	a := newStand(t, folder(t), Main, Config{Addresses: []string{f.address}, TLS: f.client}, "a/p")
	other := "main@" + f.address
	if got := seen(a.Ask(t.Context(), false)); got != "main up with a/p, "+other+" up with a/q" {
		t.Error(got)
	}
	f.end()
	answers := a.Ask(t.Context(), false)
	if got := seen(answers); got != "main up with a/p, "+other+" away with a/q" {
		t.Error(got)
	}
	if answers[1].Error == "" || answers[1].Revision != "r1" || answers[1].Since.IsZero() {
		t.Errorf("status %+v", answers[1].Status)
	}
	w := newWaiter(Target{Revision: "r1"})
	if v := w.judge(answers); v.State != RevisionWaiting || len(v.Waiting) != 1 || v.Waiting[0].Replica != other {
		t.Errorf("verdict %+v", v)
	}
	for _, p := range a.Proxies(t.Context()).Proxies {
		if want := map[string]string{"a/p": debug.StateSynced, "a/q": debug.StateUnknown}[p.Name]; p.State != want {
			t.Errorf("%s is %s, want %s", p.Name, p.State, want)
		}
	}
}

// TestOneWayToAReplicaIsEnough: one that is known by its address and by its place, or that is this server itself, is one.
func TestOneWayToAReplicaIsEnough(t *testing.T) {
	t.Parallel()
	f := newFar(t, newAuthority(t), "b")
	dir := folder(t)
	a := newStand(t, dir, Main, Config{Addresses: []string{f.address, f.address}, TLS: f.client}, "a/p")
	if err := os.MkdirAll(filepath.Join(dir, "replicas", "b"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "replicas", "b", lockFile), []byte("1 far"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := seen(a.Ask(t.Context(), false)); got != "main up with a/p, b up with a/q" {
		t.Error(got)
	}
	own := Answer{Status: Status{Name: "b", State: StateUp}}
	report := f.service.Report(t.Context(), false)
	own.Report = &report
	if got := distinct(own, []Answer{{Status: Status{Name: "b", Address: f.address, State: StateUp}, Report: &report}}); len(got) != 1 {
		t.Errorf("a server is its own replica: %s", seen(got))
	}
}

// TestPeersAreAuthenticated: what replicas serve to each other is for nobody else, on any path.
func TestPeersAreAuthenticated(t *testing.T) {
	t.Parallel()
	mesh := newAuthority(t)
	f := newFar(t, mesh, "b")
	_, foreign, err := newAuthority(t).PeerTLS()
	if err != nil {
		t.Fatal(err)
	}
	foreign.RootCAs = f.client.RootCAs
	nobody := f.client.Clone()
	nobody.GetClientCertificate = nil
	paths := []string{"/report", "/report?standing", "/proxies", "/proxies/a/q"}
	for name, config := range map[string]*tls.Config{"nobody": nobody, "another mesh": foreign} {
		client := debug.NewPeerClient(f.address, config)
		for _, path := range append(paths, "/", "/resources", "/debug/pprof/") {
			if err := client.Get(t.Context(), path, &struct{}{}); err == nil || errors.Is(err, debug.ErrNotFound) || strings.Contains(err.Error(), "the server answered") {
				t.Errorf("%s on %s: %v", name, path, err)
			}
		}
		client.Close()
	}
	client := debug.NewPeerClient(f.address, f.client)
	defer client.Close()
	for _, path := range paths {
		if err := client.Get(t.Context(), path, &struct{}{}); err != nil {
			t.Errorf("a replica on %s: %v", path, err)
		}
	}
	for _, path := range []string{"/", "/resources", "/scopes", "/problems", "/debug/pprof/", "/replicas/report"} {
		if err := client.Get(t.Context(), path, &struct{}{}); !errors.Is(err, debug.ErrNotFound) {
			t.Errorf("a replica on %s: %v, want that it is not served", path, err)
		}
	}
}

// TestRunEndsWithItsContext: and asks until then.
func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	a := newStand(t, dir, Main, Config{})
	newStand(t, dir, "b", Config{}, "a/q").listen(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
}
