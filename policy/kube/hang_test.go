package kube

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/client-go/rest"

	"outrigger.dev/outrigger/internal/conns"
	"outrigger.dev/outrigger/policy/compile"
)

// pipes is an API server in memory, without any object, that a test can have hang.
type pipes struct {
	opened  chan net.Conn
	closed  chan struct{}
	closing sync.Once
	// hang, when there is one, is closed when the server hangs no more.
	hang atomic.Pointer[chan struct{}]
	// slow is how long every answer takes to begin; watched counts the watches that were opened.
	slow, watched atomic.Int64
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.opened:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.closing.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.opened <- theirs:
		return ours, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if slow := time.Duration(p.slow.Load()); slow > 0 {
		select {
		case <-time.NewTimer(slow).C:
		case <-r.Context().Done():
			return
		}
	}
	if hang := p.hang.Load(); hang != nil {
		select {
		case <-*hang:
		case <-r.Context().Done():
			return
		}
	}
	switch {
	case strings.Contains(r.URL.Path, "namespaces"):
		fmt.Fprint(w, `{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system", "uid": "a"}}`)
	case strings.Contains(r.URL.Path, "customresourcedefinitions"):
		fmt.Fprint(w, `{"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "x"}}`)
	default:
		p.watched.Add(1)
		fmt.Fprintln(w, `{"type": "BOOKMARK", "object": {"apiVersion": "outrigger.dev/v1alpha1", "kind": "MeshConfig",
			"metadata": {"resourceVersion": "7", "annotations": {"k8s.io/initial-events-end": "true"}}}}`)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
}

// next receives an update within a time.
func next(t *testing.T, updates <-chan compile.Update, limit time.Duration) compile.Update {
	t.Helper()
	select {
	case u := <-updates:
		return u
	case <-time.NewTimer(limit).C:
		t.Fatalf("nothing is told within %s", limit)
	}
	return compile.Update{}
}

// fromPipes runs a source that reads pipes; close ends both.
func fromPipes(t *testing.T) (p *pipes, source *Source, updates <-chan compile.Update, closeAll func()) {
	t.Helper()
	p = &pipes{opened: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: p}
	served := make(chan error, 1)
	go func() { served <- server.Serve(p) }()
	source, err := New(Config{Name: "k", REST: &rest.Config{Host: "http://fake", Dial: p.dial}, Logger: discard()})
	must(t, err)
	ctx, stop := context.WithCancel(t.Context())
	told, ended := make(chan compile.Update), make(chan error, 1)
	go func() { ended <- source.Run(ctx, told) }()
	return p, source, told, func() {
		stop()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Run returned %v", err)
		}
		server.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("the server ended with %v", err)
		}
	}
}

// TestHang: an API server that hangs is told within ten seconds, and its connections are left for new ones.
func TestHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, source, updates, closeAll := fromPipes(t)
		defer closeAll()
		if u := next(t, updates, time.Second); !u.Synced || u.Trouble != nil {
			t.Fatalf("the first update is %+v", u)
		}
		pass(t, 2*time.Second)
		hang := make(chan struct{})
		p.hang.Store(&hang)
		if u := next(t, updates, conns.Beat+conns.AskLimit); u.Trouble == nil {
			t.Errorf("%+v is told of a server that hangs", u)
		}
		before := source.Stats()
		if source.Stats().Connections == 0 {
			t.Error("the watches have no connections")
		}
		pass(t, 20*time.Second)
		if after := source.Stats(); after.Errors < before.Errors+2 || !after.ReadAt.Equal(before.ReadAt) {
			t.Errorf("while it hangs, %+v becomes %+v", before, after)
		}
		p.hang.Store(nil)
		close(hang)
		for u := next(t, updates, 30*time.Second); u.Trouble != nil; u = next(t, updates, 30*time.Second) {
			continue
		}
		pass(t, conns.Beat)
		if stats := source.Stats(); time.Since(stats.ReadAt) > conns.Beat || stats.Resets == 0 {
			t.Errorf("after its end there is %+v at %s", stats, time.Now())
		}
	})
}

// TestSlow: an API server that is slow is told to be, and not asked for everything anew.
func TestSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, source, updates, closeAll := fromPipes(t)
		defer closeAll()
		if u := next(t, updates, time.Second); !u.Synced || u.Trouble != nil {
			t.Fatalf("the first update is %+v", u)
		}
		pass(t, time.Second)
		before := p.watched.Load()
		p.slow.Store(int64(conns.AskLimit + time.Second))
		if u := next(t, updates, conns.Beat+conns.AskLimit); u.Trouble == nil {
			t.Errorf("%+v is told of a server that is slow", u)
		}
		select {
		case u := <-updates:
			t.Errorf("%+v is told while nothing changes", u)
		case <-time.NewTimer(4 * time.Minute).C:
		}
		if after := p.watched.Load(); after != before || source.Stats().Resets > 0 {
			t.Errorf("%d watches are opened anew; %+v", after-before, source.Stats())
		}
		p.slow.Store(0)
		if u := next(t, updates, time.Minute); u.Trouble != nil {
			t.Errorf("afterwards %+v is told", u)
		}
	})
}
