package debug_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	statusv3 "github.com/envoyproxy/go-control-plane/envoy/service/status/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"outrigger.dev/outrigger/xds/cache"
	"outrigger.dev/outrigger/xds/debug"
	"outrigger.dev/outrigger/xds/server"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secretText = "-----BEGIN PRIVATE KEY----- do not show me"

// engine is a fake of the server's streams.
type engine []server.StreamInfo

func (e engine) Streams(context.Context) []server.StreamInfo { return e }

var opened = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// mesh is a service with a node that refused something, one that is away, and one with another view.
func mesh(t *testing.T) *debug.Service {
	t.Helper()
	store := cache.NewStore()
	all := cache.ViewSpec{Layers: []cache.LayerID{"class/a", "mesh"}, Scope: cache.All}
	small := cache.ViewSpec{Layers: []cache.LayerID{"mesh"}, Scope: cache.NewScope(nil, []string{"shop/web"})}
	store.Publish(cache.Publication{
		Changes: []cache.Change{
			change(t, cache.Cluster, "good", &clusterv3.Cluster{Name: "good"}),
			change(t, cache.Cluster, "bad", &clusterv3.Cluster{Name: "bad"}),
			// No producer puts a secret into a layer. Were there one, it would not be shown.
			change(t, cache.Secret, "leaked", &tlsv3.Secret{Name: "leaked", Type: &tlsv3.Secret_TlsCertificate{
				TlsCertificate: &tlsv3.TlsCertificate{PrivateKey: &corev3.DataSource{
					Specifier: &corev3.DataSource_InlineString{InlineString: secretText},
				}},
			}}),
		},
		Nodes: map[string]*cache.ViewSpec{"shop/web-1": &all, "shop/web-2": &all, "shop/small": &small},
	})
	return debug.New(debug.Config{
		Store: store,
		Engine: engine{{
			Peer: server.Peer{Node: "shop/web-1", Identity: "spiffe://cluster.local/ns/shop/sa/web"}, Agent: "envoy/1.40.0",
			Since: opened, Settled: 1, Latest: 1, IdentityExpires: opened.Add(time.Hour),
			Types: []server.TypeInfo{{
				Type: "cluster", Wildcard: true, Acked: 1,
				Parked: []server.ParkedInfo{{Name: "bad", Version: "v2", Has: "v1", Owner: "Service shop/bad", Error: "no good"}},
			}, {Type: "secret", Subscribed: 2}},
		}},
		Problems: func() []debug.Problem {
			return []debug.Problem{{Location: "mesh.yaml:3", Object: "Service shop/bad", Field: "spec", Reason: "Invalid", Message: "is wrong"}}
		},
	})
}

func change(t *testing.T, typ cache.Type, name string, message proto.Message) cache.Change {
	t.Helper()
	body, err := proto.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	return cache.Change{Layer: "mesh", Ref: cache.Ref{Type: typ, Name: name}, Resource: cache.NewResource(cache.ResourceConfig{
		Type: typ, Name: name, Body: body, Group: "shop/" + name, Owner: "Service shop/" + name,
	})}
}

// ask returns the answer of a path.
func ask(t *testing.T, path string) (int, string) {
	t.Helper()
	recorder := httptest.NewRecorder()
	mesh(t).Handler().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, path, nil))
	return recorder.Code, recorder.Body.String()
}

func decode[T any](t *testing.T, path string) T {
	t.Helper()
	code, body := ask(t, path)
	var value T
	if err := json.Unmarshal([]byte(body), &value); err != nil || code != http.StatusOK {
		t.Fatalf("%s: %d %s: %v", path, code, body, err)
	}
	return value
}

func TestProxies(t *testing.T) {
	t.Parallel()
	proxies := decode[debug.Proxies](t, "/proxies").Proxies
	var states []string
	for _, p := range proxies {
		states = append(states, p.Name+" "+p.State)
	}
	if got := strings.Join(states, ", "); got != "shop/small away, shop/web-1 refused, shop/web-2 away" {
		t.Errorf("proxies: %s", got)
	}
	if p := proxies[1]; p.Refused() != 1 || !p.CertificateExpires.Equal(opened.Add(time.Hour)) || p.Namespace() != "shop" {
		t.Errorf("shop/web-1: %+v", p)
	}
}

func TestProxyTellsHowFarEachResourceIs(t *testing.T) {
	t.Parallel()
	proxy := decode[debug.Proxy](t, "/proxies/shop/web-1")
	var got []string
	for _, r := range proxy.Resources {
		got = append(got, r.Type+" "+r.Name+" "+r.State)
	}
	if want := "cluster bad refused, cluster good sent, secret leaked sent"; strings.Join(got, ", ") != want {
		t.Errorf("resources %v, want %s", got, want)
	}
	if code, body := ask(t, "/proxies/shop/nobody"); code != http.StatusNotFound || !strings.Contains(body, "no workload shop/nobody") {
		t.Errorf("unknown: %d %s", code, body)
	}
}

func TestStates(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		info server.StreamInfo
		want string
	}{
		"all settled":         {server.StreamInfo{Settled: 3, Latest: 3}, debug.StateSynced},
		"something published": {server.StreamInfo{Settled: 2, Latest: 3}, debug.StateBehind},
		"something in flight": {server.StreamInfo{Settled: 3, Latest: 3, Types: []server.TypeInfo{{Type: "route", Pending: 1}}}, debug.StateBehind},
		"something refused": {server.StreamInfo{Settled: 2, Latest: 3, Types: []server.TypeInfo{
			{Type: "route", Pending: 1}, {Type: "cluster", Parked: []server.ParkedInfo{{Name: "a"}}},
		}}, debug.StateRefused},
	} {
		store := cache.NewStore()
		store.Publish(cache.Publication{Nodes: map[string]*cache.ViewSpec{"a/b": {Scope: cache.All}}})
		test.info.Peer.Node = "a/b"
		recorder := httptest.NewRecorder()
		debug.New(debug.Config{Store: store, Engine: engine{test.info}}).Handler().
			ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/proxies", nil))
		if !strings.Contains(recorder.Body.String(), `"state":"`+test.want+`"`) {
			t.Errorf("%s: %s, want %s", name, recorder.Body, test.want)
		}
	}
}

func TestResourcesByView(t *testing.T) {
	t.Parallel()
	views := decode[debug.Resources](t, "/resources").Views
	if len(views) != 2 || len(views[0].Nodes) != 2 || len(views[0].Resources) != 3 || len(views[1].Resources) != 0 {
		t.Fatalf("views %+v", views)
	}
	r := views[0].Resources[0]
	if r.Name != "bad" || r.Owner != "Service shop/bad" || r.Version == "" || !strings.Contains(string(r.Body), `"name":"bad"`) {
		t.Errorf("first resource %+v", r)
	}
	one := decode[debug.Resources](t, "/resources?proxy=shop/web-1&type=cluster&name=good&bodies=false").Views
	if len(one) != 1 || len(one[0].Resources) != 1 || one[0].Resources[0].Name != "good" || one[0].Resources[0].Body != nil {
		t.Errorf("chosen %+v", one)
	}
	if code, _ := ask(t, "/resources?bodies=perhaps"); code != http.StatusBadRequest {
		t.Errorf("bad choice: %d", code)
	}
	if code, _ := ask(t, "/resources?proxy=a/b"); code != http.StatusNotFound {
		t.Errorf("unknown proxy: %d", code)
	}
}

func TestScopesAndProblems(t *testing.T) {
	t.Parallel()
	scopes := decode[debug.Scopes](t, "/scopes").Scopes
	if len(scopes) != 2 || scopes[0].Key != "*" || scopes[0].Resources["cluster"] != 2 || scopes[1].Key != "|shop/web" {
		t.Errorf("scopes %+v", scopes)
	}
	problems := decode[debug.Problems](t, "/problems").Problems
	if len(problems) != 1 || problems[0].String() != "mesh.yaml:3: error: Service shop/bad: spec: is wrong" {
		t.Errorf("problems %+v", problems)
	}
}

func TestNothingSecretIsShown(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/proxies", "/proxies/shop/web-1", "/resources", "/resources?type=secret", "/scopes", "/problems"} {
		if code, body := ask(t, path); code != http.StatusOK || strings.Contains(body, "PRIVATE") {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	response, err := fetch(t, &statusv3.ClientStatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	wire, err := proto.Marshal(response)
	if err != nil || len(wire) == 0 || strings.Contains(string(wire), "PRIVATE") {
		t.Errorf("CSDS: %d bytes, %v: %q", len(wire), err, wire)
	}
}

// fetch asks CSDS over a real socket.
func fetch(t *testing.T, request *statusv3.ClientStatusRequest) (*statusv3.ClientStatusResponse, error) {
	t.Helper()
	return csdsClient(t).FetchClientStatus(t.Context(), request)
}

// csdsClient serves CSDS on a real socket until the test ends.
func csdsClient(t *testing.T) statusv3.ClientStatusDiscoveryServiceClient {
	t.Helper()
	dir := shortDir(t)
	listener, err := debug.Listen(t.Context(), dir, debug.CSDSSocketName)
	if err != nil {
		t.Fatal(err)
	}
	grpcServer := grpc.NewServer()
	mesh(t).RegisterCSDS(grpcServer)
	served := make(chan error, 1)
	go func() { served <- grpcServer.Serve(listener) }()
	t.Cleanup(func() {
		grpcServer.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	conn, err := grpc.NewClient("unix:"+filepath.Join(dir, debug.CSDSSocketName), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return statusv3.NewClientStatusDiscoveryServiceClient(conn)
}

func TestCSDSStreamAnswersEveryRequest(t *testing.T) {
	t.Parallel()
	stream, err := csdsClient(t).StreamClientStatus(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ask := func(m *matcherv3.StringMatcher) (*statusv3.ClientStatusResponse, error) {
		request := &statusv3.ClientStatusRequest{NodeMatchers: []*matcherv3.NodeMatcher{{NodeId: m}}}
		if err := stream.Send(request); err != nil {
			t.Fatal(err)
		}
		return stream.Recv()
	}
	for node, want := range map[string]int{"shop/web-1": 1, "shop/web-2": 0} {
		response, err := ask(&matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: node}})
		if err != nil || len(response.Config) != want {
			t.Errorf("%s: %v, %v", node, response, err)
		}
	}
	if _, err := ask(&matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_SafeRegex{}}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("a matcher that is not served: %v", err)
	}

	stream, err = csdsClient(t).StreamClientStatus(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("after the last request: %v", err)
	}
}

func TestCSDS(t *testing.T) {
	t.Parallel()
	node := func(m *matcherv3.StringMatcher) *statusv3.ClientStatusRequest {
		return &statusv3.ClientStatusRequest{NodeMatchers: []*matcherv3.NodeMatcher{{NodeId: m}}}
	}
	response, err := fetch(t, node(&matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Prefix{Prefix: "shop/"}}))
	if err != nil || len(response.Config) != 1 || response.Config[0].Node.Id != "shop/web-1" {
		t.Fatalf("connected proxies of shop: %v, %v", response, err)
	}
	got := map[string]statusv3.ConfigStatus{}
	for _, c := range response.Config[0].GenericXdsConfigs {
		got[c.Name] = c.ConfigStatus
		if c.Name == "bad" && (c.ErrorState.GetDetails() != "no good" || c.ErrorState.GetVersionInfo() != "v2") {
			t.Errorf("error state %v", c.ErrorState)
		}
		if (c.XdsConfig == nil) != (c.Name == "leaked") {
			t.Errorf("%s: content %v", c.Name, c.XdsConfig)
		}
	}
	if got["good"] != statusv3.ConfigStatus_SYNCED || got["bad"] != statusv3.ConfigStatus_ERROR {
		t.Errorf("states %v", got)
	}
	response, err = fetch(t, node(&matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: "shop/web-2"}}))
	if err != nil || len(response.Config) != 0 {
		t.Errorf("a proxy that is away: %v, %v", response, err)
	}
	_, err = fetch(t, node(&matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_SafeRegex{}}))
	if status.Code(err) != codes.InvalidArgument {
		t.Errorf("a matcher that is not served: %v", err)
	}
}

// shortDir returns a folder whose path is short enough for sockets.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "outrigger") //nolint:usetesting // the folder of a test has too long a path for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func TestListenReplacesWhatACrashLeft(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	path := filepath.Join(dir, debug.SocketName)
	stale, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	stale.(*net.UnixListener).SetUnlinkOnClose(false)
	stale.Close()
	if err := os.Mkdir(filepath.Join(dir, "."+debug.SocketName+".new"), 0o700); err != nil {
		t.Fatal(err)
	}

	listener, err := debug.Listen(t.Context(), dir, debug.SocketName)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 || info.Mode().Type() != os.ModeSocket {
		t.Errorf("socket %v: %v", info.Mode(), err)
	}
	accepted := make(chan error, 1)
	go func() {
		conn, err := listener.Accept()
		if err == nil {
			_, err = io.WriteString(conn, "x")
			err = errors.Join(err, conn.Close())
		}
		accepted <- err
	}()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(conn); err != nil || string(got) != "x" {
		t.Errorf("read %q: %v", got, err)
	}
	conn.Close()
	if err := <-accepted; err != nil {
		t.Error(err)
	}
	if err := listener.Close(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestListenNamesAPathThatIsTooLong(t *testing.T) {
	t.Parallel()
	_, err := debug.Listen(t.Context(), "/tmp/"+strings.Repeat("a", 100), debug.SocketName)
	if err == nil || !strings.Contains(err.Error(), "the system takes 107: name a data folder with a shorter path") {
		t.Errorf("error %v", err)
	}
}

func TestClient(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	client := debug.NewClient(dir)
	var unreachable *net.OpError
	if _, err := client.Proxies(t.Context()); !errors.As(err, &unreachable) || !strings.Contains(err.Error(), debug.SocketName) {
		t.Errorf("without a server: %v", err)
	}
	listener, err := debug.Listen(t.Context(), dir, debug.SocketName)
	if err != nil {
		t.Fatal(err)
	}
	httpServer := &http.Server{Handler: mesh(t).Handler()}
	served := make(chan error, 1)
	go func() { served <- httpServer.Serve(listener) }()
	if proxies, err := client.Proxies(t.Context()); err != nil || len(proxies) != 3 {
		t.Errorf("proxies %v: %v", proxies, err)
	}
	if proxy, err := client.Proxy(t.Context(), "shop/web-1"); err != nil || proxy.Identity == "" || proxy.Stream().Agent != "envoy/1.40.0" {
		t.Errorf("proxy %+v: %v", proxy, err)
	}
	if _, err := client.Proxy(t.Context(), "shop/nobody"); !errors.Is(err, debug.ErrNotFound) {
		t.Errorf("unknown: %v", err)
	}
	if err := httpServer.Close(); err != nil {
		t.Error(err)
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
}
