package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

// fakeAPI speaks as much of the API as the source asks for, and does what a
// real server will not do on command. It stands in memory, so that a test can
// run it in a bubble of its own time.
type fakeAPI struct {
	// t is the test of the bubble.
	t       *testing.T
	mu      sync.Mutex
	objects map[string]map[string]map[string]any
	version int
	uid     string
	// refuse is the status of every answer about a resource, "" for all resources; 0 for none.
	refuse map[string]int
	// unwatched is the status of every watch of a resource, 0 for none refused: lists are answered all the same.
	unwatched map[string]int
	// lists says that the server knows no streams of a full state.
	lists bool
	// endless says that such streams never say that they are complete.
	endless bool
	// ends says that watches end behind their full state.
	ends bool
	// hang makes every request wait for its client to go.
	hang bool
	// slow is how long every answer takes to begin.
	slow time.Duration
	// crd is the definition of Workload: "", "gone" or "going"; since is when it was made, zero: long ago.
	crd   string
	since time.Time
	// asked are the paths of all requests.
	asked   []string
	watches map[*fakeWatch]bool
	pipes   chan net.Conn
	closed  chan struct{}
	closing sync.Once
	server  *http.Server
}

// fakeWatch is an open watch of a resource.
type fakeWatch struct {
	resource string
	events   chan string
	end      chan struct{}
}

func newFakeAPI(t *testing.T) *fakeAPI {
	t.Helper()
	f := &fakeAPI{
		t: t, objects: make(map[string]map[string]map[string]any), version: 100, uid: "cluster-a",
		refuse: make(map[string]int), unwatched: make(map[string]int), watches: make(map[*fakeWatch]bool), pipes: make(chan net.Conn),
		closed: make(chan struct{}),
	}
	f.server = &http.Server{Handler: http.HandlerFunc(f.serve)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = f.server.Serve(f)
	}()
	t.Cleanup(func() {
		f.server.Close()
		<-ended
	})
	return f
}

// Accept, Close and Addr make the fake a listener.
func (f *fakeAPI) Accept() (net.Conn, error) {
	select {
	case conn := <-f.pipes:
		return conn, nil
	case <-f.closed:
		return nil, net.ErrClosed
	}
}

func (f *fakeAPI) Close() error {
	f.closing.Do(func() { close(f.closed) })
	return nil
}

func (f *fakeAPI) Addr() net.Addr { return &net.TCPAddr{} }

func (f *fakeAPI) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case f.pipes <- theirs:
		return ours, nil
	case <-f.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// source returns a source that reads the fake.
func (f *fakeAPI) source() *Source {
	f.t.Helper()
	source, err := New(Config{Name: "test", REST: &rest.Config{Host: "http://fake", Dial: f.dial}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		f.t.Fatal(err)
	}
	return source
}

// with changes the fake.
func (f *fakeAPI) with(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// requests is how many there were.
func (f *fakeAPI) requests() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.asked)
}

// put writes an object and tells the watches; silent leaves them out.
func (f *fakeAPI) put(resource, name string, object map[string]any, silent ...bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.version++
	meta, _ := object["metadata"].(map[string]any)
	if meta == nil {
		meta = map[string]any{}
		object["metadata"] = meta
	}
	meta["name"], meta["namespace"], meta["resourceVersion"] = name, "shop", strconv.Itoa(f.version)
	object["apiVersion"], object["kind"] = typeOf(resource)
	if f.objects[resource] == nil {
		f.objects[resource] = make(map[string]map[string]any)
	}
	kind := "MODIFIED"
	if f.objects[resource][name] == nil {
		kind = "ADDED"
	}
	f.objects[resource][name] = object
	if len(silent) == 0 {
		f.tell(resource, event(kind, object))
	}
}

// remove deletes an object and tells the watches.
func (f *fakeAPI) remove(resource, name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	object := f.objects[resource][name]
	delete(f.objects[resource], name)
	f.version++
	object["metadata"].(map[string]any)["resourceVersion"] = strconv.Itoa(f.version)
	f.tell(resource, event("DELETED", object))
}

func (f *fakeAPI) tell(resource, text string) {
	for w := range f.watches {
		if w.resource == resource {
			w.events <- text
		}
	}
}

// cut ends all watches, as a broken connection does.
func (f *fakeAPI) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for w := range f.watches {
		close(w.end)
		delete(f.watches, w)
	}
}

func event(kind string, object any) string {
	text, err := json.Marshal(map[string]any{"type": kind, "object": object})
	if err != nil {
		panic(err)
	}
	return string(text) + "\n"
}

func (f *fakeAPI) serve(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/api/v1/"), "/apis/"), "/")
	resource := parts[len(parts)-1]
	f.mu.Lock()
	f.asked = append(f.asked, r.URL.Path)
	hang, slow, code, uid, crd, since := f.hang, f.slow, max(f.refuse[""], f.refuse[resource]), f.uid, f.crd, f.since
	f.mu.Unlock()
	if slow > 0 && sleep(r.Context(), slow) != nil {
		return
	}
	switch {
	case hang:
		<-r.Context().Done()
	case resource == "kube-system" && code == 0:
		f.answer(w, map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": "kube-system", "uid": uid}})
	case strings.Contains(r.URL.Path, "customresourcedefinitions"):
		f.definition(w, crd, since)
	case code != 0:
		refuse(w, code)
	case r.URL.Query().Get("watch") != "":
		f.watch(w, r, resource)
	default:
		f.list(w, resource)
	}
}

func refuse(w http.ResponseWriter, code int) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	fmt.Fprintf(w, `{"apiVersion":"v1","kind":"Status","status":"Failure","message":"refused by the test","code":%d}`, code)
}

func (f *fakeAPI) answer(w http.ResponseWriter, object any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(object)
}

func (f *fakeAPI) definition(w http.ResponseWriter, state string, since time.Time) {
	meta := map[string]any{"name": "workloads.outrigger.dev"}
	if !since.IsZero() {
		meta["creationTimestamp"] = since.UTC().Format(time.RFC3339)
	}
	switch state {
	case "gone":
		refuse(w, http.StatusNotFound)
		return
	case "going":
		meta["deletionTimestamp"] = "2026-11-01T00:00:00Z"
	}
	f.answer(w, map[string]any{"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": meta})
}

// typeOf is how manifests of a resource begin.
func typeOf(resource string) (group, kind string) {
	switch resource {
	case "endpointslices":
		return "discovery.k8s.io/v1", kindSlice
	case "workloads":
		return "outrigger.dev/v1alpha1", kindWorkload
	case "services":
		return "v1", kindService
	case "pods":
		return "v1", kindPod
	case "namespaces":
		return "v1", kindNamespace
	}
	return "v1", kindNode
}

func (f *fakeAPI) list(w http.ResponseWriter, resource string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	group, kind := typeOf(resource)
	items := make([]any, 0, len(f.objects[resource]))
	for _, object := range f.objects[resource] {
		items = append(items, object)
	}
	f.answer(w, map[string]any{
		"apiVersion": group, "kind": kind + "List",
		"metadata": map[string]any{"resourceVersion": strconv.Itoa(f.version)}, "items": items,
	})
}

func (f *fakeAPI) watch(w http.ResponseWriter, r *http.Request, resource string) {
	open := &fakeWatch{resource: resource, events: make(chan string, 1000), end: make(chan struct{})}
	group, kind := typeOf(resource)
	f.mu.Lock()
	initial := r.URL.Query().Get("sendInitialEvents") != ""
	code := f.unwatched[resource]
	if code == 0 && initial && f.lists {
		code = http.StatusUnprocessableEntity
	}
	if code != 0 {
		f.mu.Unlock()
		refuse(w, code)
		return
	}
	if initial {
		for _, object := range f.objects[resource] {
			open.events <- event("ADDED", object)
		}
		if !f.endless {
			open.events <- event("BOOKMARK", map[string]any{"apiVersion": group, "kind": kind, "metadata": map[string]any{
				"resourceVersion": strconv.Itoa(f.version), "annotations": map[string]any{"k8s.io/initial-events-end": "true"},
			}})
		}
	}
	f.watches[open] = true
	if f.ends {
		close(open.end)
		delete(f.watches, open)
	}
	f.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	w.(http.Flusher).Flush()
	for {
		select {
		case text := <-open.events:
			_, _ = w.Write([]byte(text))
			w.(http.Flusher).Flush()
		case <-open.end:
			return
		case <-r.Context().Done():
			f.with(func() { delete(f.watches, open) })
			return
		}
	}
}
