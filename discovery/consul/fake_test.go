package consul

import (
	"cmp"
	"context"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// call is a request that the fake was sent.
type call struct {
	path, token string
	query       url.Values
	at          time.Time
}

func (c call) index() uint64 {
	index, _ := strconv.ParseUint(c.query.Get("index"), 10, 64)
	return index
}

// fake answers as Consul does, and fails as a test asks. It listens in memory, so that it works with synctest's time.
type fake struct {
	*httptest.Server
	t        *testing.T
	listener *pipeListener
	caFile   string

	mu sync.Mutex
	// index is the highest; indexes are those of services, "" the catalog's.
	index    uint64
	indexes  map[string]uint64
	rows     map[string][]*api.ServiceEntry
	extinct  uint64
	changed  chan struct{}
	calls    []call
	young    int
	maxYoung int
	// header, when not nil, may change the headers of an answer; fault may answer in place of the fake.
	header func(c call, h http.Header)
	fault  func(c call, w http.ResponseWriter) bool
}

// newFake returns a fake that speaks HTTP/2 over TLS, or plain HTTP/1.1.
func newFake(t *testing.T, plain bool) *fake {
	t.Helper()
	f := &fake{
		t: t, listener: newPipeListener(), index: 10, indexes: map[string]uint64{"": 10},
		rows: make(map[string][]*api.ServiceEntry), changed: make(chan struct{}),
	}
	f.Server = httptest.NewUnstartedServer(f)
	f.Listener = f.listener
	if plain {
		f.Start()
	} else {
		f.EnableHTTP2 = true
		f.StartTLS()
		f.caFile = filepath.Join(t.TempDir(), "ca.pem")
		writeFile(t, f.caFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.Certificate().Raw})))
	}
	t.Cleanup(func() {
		f.abandon()
		_ = f.Config.Close()
		f.Close()
	})
	return f
}

// config is one for the fake.
func (f *fake) config() Config {
	scheme := "https"
	if f.caFile == "" {
		scheme = "http"
	}
	return Config{
		Name: "test", Address: scheme + "://example.com:8501", CAFile: f.caFile, Dial: f.listener.dial, Seed: 1,
		Logger: slog.New(slog.DiscardHandler),
	}
}

// source returns one that reads the fake.
func (f *fake) source() *Source {
	f.t.Helper()
	return mustNew(f.t, f.config())
}

func mustNew(t *testing.T, config Config) *Source {
	t.Helper()
	s, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// put registers an instance, in place of one with the same node and id.
func (f *fake) put(rows ...*api.ServiceEntry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, row := range rows {
		service := row.Service.Service
		f.rows[service] = append(f.without(service, row.Node.Node, row.Service.ID), row)
		f.touch(service)
	}
}

// remove deregisters an instance.
func (f *fake) remove(service, node, id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rows[service] = f.without(service, node, id)
	f.touch(service)
	if len(f.rows[service]) == 0 {
		delete(f.rows, service)
		f.extinct = f.index
	}
}

func (f *fake) without(service, node, id string) []*api.ServiceEntry {
	return slices.DeleteFunc(slices.Clone(f.rows[service]), func(r *api.ServiceEntry) bool { return r.Node.Node == node && r.Service.ID == id })
}

// touch moves the indexes of a service and of the catalog, and wakes who waits.
func (f *fake) touch(service string) {
	f.index++
	f.indexes[service], f.indexes[""] = f.index, f.index
	close(f.changed)
	f.changed = make(chan struct{})
}

// set runs a change under the lock and wakes who waits.
func (f *fake) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
	close(f.changed)
	f.changed = make(chan struct{})
}

// abandon ends all blocking queries, as a restored snapshot does.
func (f *fake) abandon() {
	f.set(func() { f.index++; f.indexes = map[string]uint64{"": f.index}; f.extinct = f.index })
}

// callsTo returns the requests for a path so far.
func (f *fake) callsTo(path string) []call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(f.calls), func(c call) bool { return c.path != path })
}

const (
	catalogPath = "/v1/catalog/services"
	checksPath  = "/v1/health/state/any"
	healthPath  = "/v1/health/service/"
)

// ServeHTTP answers one query.
func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := call{path: r.URL.Path, token: r.Header.Get(headerToken), query: r.URL.Query(), at: time.Now()}
	f.mu.Lock()
	f.calls = append(f.calls, c)
	fault := f.fault
	if c.index() == 0 {
		f.young++
		f.maxYoung = max(f.maxYoung, f.young)
		defer func() { f.mu.Lock(); f.young--; f.mu.Unlock() }()
	}
	f.mu.Unlock()
	if fault != nil && fault(c, w) {
		return
	}
	if !f.block(r.Context(), c) {
		return
	}
	f.answer(c, w)
}

// block waits as the query asks; it reports whether the client is still there.
func (f *fake) block(ctx context.Context, c call) bool {
	if c.index() == 0 {
		return true
	}
	wait, _ := time.ParseDuration(c.query.Get("wait"))
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		f.mu.Lock()
		moved, changed := f.indexOf(c.path) != c.index(), f.changed
		f.mu.Unlock()
		if moved {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
			return true
		case <-changed:
		}
	}
}

func (f *fake) indexOf(path string) uint64 {
	service, health := strings.CutPrefix(path, healthPath)
	switch {
	case !health:
		return f.indexes[""]
	case len(f.rows[service]) == 0:
		return max(f.extinct, 1)
	}
	return cmp.Or(f.indexes[service], f.indexes[""])
}

func (f *fake) answer(c call, w http.ResponseWriter) {
	f.mu.Lock()
	defer f.mu.Unlock()
	h := w.Header()
	h.Set("X-Consul-Index", strconv.FormatUint(f.indexOf(c.path), 10))
	h.Set("X-Consul-Knownleader", "true")
	h.Set("X-Consul-Lastcontact", "0")
	h.Set("X-Consul-Query-Backend", "blocking-query")
	body := f.body(c)
	if f.header != nil {
		f.header(c, h)
	}
	_, _ = w.Write(body)
}

func (f *fake) body(c call) []byte {
	var value any
	switch c.path {
	case catalogPath:
		names := map[string][]string{ownService: {}}
		for service := range f.rows {
			names[service] = []string{}
		}
		value = names
	case checksPath:
		all := api.HealthChecks{}
		for _, service := range slices.Sorted(maps.Keys(f.rows)) {
			for _, row := range f.rows[service] {
				all = append(all, row.Checks...)
			}
		}
		value = all
	default:
		rows := f.rows[strings.TrimPrefix(c.path, healthPath)]
		if rows == nil {
			rows = []*api.ServiceEntry{}
		}
		value = rows
	}
	body, err := json.Marshal(value)
	if err != nil {
		f.t.Error(err)
	}
	return body
}

// entry is an instance with one check.
func entry(service, id, address string, port int, status string) *api.ServiceEntry {
	return &api.ServiceEntry{
		Node: &api.Node{Node: "node-" + id, Address: "10.9.9.9", Datacenter: "dc1"},
		Service: &api.AgentService{
			ID: id, Service: service, Address: address, Port: port, Weights: api.AgentWeights{Passing: 1, Warning: 1},
			Meta: map[string]string{},
		},
		Checks: api.HealthChecks{{Node: "node-" + id, CheckID: "service:" + id, Status: status, ServiceID: id, ServiceName: service}},
	}
}

func passing(service, id, address string) *api.ServiceEntry {
	return entry(service, id, address, 8080, api.HealthPassing)
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// pipeListener is a listener in memory.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
	close func()
}

func newPipeListener() *pipeListener {
	l := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
	l.close = sync.OnceFunc(func() { close(l.done) })
	return l
}

func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-l.done:
		return nil, net.ErrClosed
	case l.conns <- server:
		return client, nil
	}
}

// Accept returns the next connection.
func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case <-l.done:
		return nil, net.ErrClosed
	case conn := <-l.conns:
		return conn, nil
	}
}

// Close ends Accept.
func (l *pipeListener) Close() error {
	l.close()
	return nil
}

// Addr is no address that can be dialled.
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
