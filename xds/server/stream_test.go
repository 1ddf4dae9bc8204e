package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"outrigger.dev/outrigger/xds/cache"
)

// fakeTransport is a stream without gRPC.
type fakeTransport struct {
	gone     <-chan struct{} // closed as gRPC cancels a stream
	requests chan *request
	write    func(*response) error
}

func (f *fakeTransport) recv(r *request) error {
	select {
	case next := <-f.requests:
		if next == nil {
			panic("a fault in decoding")
		}
		*r = *next
		return nil
	case <-f.gone:
		return context.Canceled
	}
}

func (f *fakeTransport) send(r *response) error { return f.write(r) }

// serveFake runs a stream of shop/web until it ends, and returns its end.
func serveFake(t *testing.T, m *mesh, f *fakeTransport) chan error {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithValue(context.Background(), peerKey{}, peerOf("web")))
	f.gone, f.requests = ctx.Done(), make(chan *request)
	ended := make(chan error, 1)
	go func() {
		err := m.server.serve(ctx, f)
		cancel() // As gRPC does when a handler returns.
		ended <- err
	}()
	t.Cleanup(cancel)
	return ended
}

func (m *mesh) publishWeb(resources ...*cache.Resource) {
	p := cache.Publication{Nodes: map[string]*cache.ViewSpec{"shop/web": {Layers: []cache.LayerID{"mesh"}, Scope: cache.All}}}
	for _, r := range resources {
		p.Changes = append(p.Changes, cache.Change{Layer: "mesh", Ref: cache.Ref{Type: r.Type(), Name: r.Name()}, Resource: r})
	}
	m.store.Publish(p)
}

func webNode() *node { return &node{id: "shop/web", cluster: "shop/web", agent: "envoy/1.40.0"} }

// TestSlowReader: a client that does not read holds nobody up, and is closed; what changed meanwhile was not queued.
func TestSlowReader(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		t.Helper()
		m := newMesh(t, nil)
		big := cache.NewResource(cache.ResourceConfig{Type: cache.Cluster, Name: "big", Body: make([]byte, 1<<20)})
		m.publishWeb(big)
		ctx, cancel := context.WithCancel(metadata.AppendToOutgoingContext(context.Background(), "authorization", "Bearer token-of-web"))
		defer cancel()
		stream, err := discovery.NewAggregatedDiscoveryServiceClient(m.dial()).DeltaAggregatedResources(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range []*discovery.DeltaDiscoveryRequest{
			{TypeUrl: cache.Cluster.URL(), Node: envoyNode("shop/web", "shop/web")},
			{TypeUrl: cache.Endpoints.URL(), ResourceNamesSubscribe: []string{"a"}},
		} {
			if err := stream.Send(r); err != nil {
				t.Fatal(err)
			}
		}
		advance(2 * time.Second)
		for i := range 100 {
			m.publishWeb(cache.NewResource(cache.ResourceConfig{Type: cache.Cluster, Name: "big", Body: fmt.Append(nil, i)}))
		}
		advance(21 * time.Second)
		if !slices.Equal(m.observer.closed, []string{ReasonSlow}) {
			t.Fatalf("closed %q", m.observer.closed)
		}
		if len(m.observer.pushes) != 2 {
			t.Errorf("%d responses were made for a client that reads none", len(m.observer.pushes))
		}
	})
}

// TestPanicEndsOneStream: a fault in a stream ends that stream, is counted, and tells the client nothing.
func TestPanicEndsOneStream(t *testing.T) {
	for name, fail := range map[string]func(m *mesh, f *fakeTransport){
		"receiving": func(_ *mesh, f *fakeTransport) { f.requests <- nil },
		"sending": func(_ *mesh, f *fakeTransport) {
			f.requests <- &request{node: webNode(), typ: cache.Cluster, known: true}
		},
		"between": func(m *mesh, f *fakeTransport) {
			m.vault.failing = true // So that nothing is sent.
			f.requests <- &request{node: webNode(), typ: cache.Secret, known: true, subscribe: []string{"identity"}}
			synctest.Wait()
			for st := range m.server.streams {
				if st.session != nil {
					shared := *st.delta.settings
					shared.observer = nil
					st.delta.settings = &shared
				}
			}
			f.requests <- &request{typ: cache.Cluster, known: true, refused: true}
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				t.Helper()
				m := newMesh(t, nil)
				m.publishWeb()
				healthy := m.connect("web", "token-of-web")
				f := &fakeTransport{write: func(*response) error { panic("a fault in sending") }}
				ended := serveFake(t, m, f)
				fail(m, f)
				synctest.Wait()
				err := <-ended
				if status.Code(err) != codes.Internal || strings.Contains(err.Error(), "fault") {
					t.Errorf("the client was told %v", err)
				}
				if m.observer.panics != 1 || !strings.Contains(m.logs.String(), "stream panicked") {
					t.Errorf("counted %d, logged %s", m.observer.panics, m.logs)
				}
				healthy.send(&discovery.DeltaDiscoveryRequest{TypeUrl: cache.Cluster.URL()})
				synctest.Wait()
				if healthy.next() == nil {
					t.Errorf("the other stream: %v", healthy.ended())
				}
			})
		})
	}
}

// TestPanicInSecrets: a fault of the source of secrets is its failure, not the stream's.
func TestPanicInSecrets(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		t.Helper()
		m := newMesh(t, func(c *Config) { c.Secrets = faultySecrets{} })
		m.publishWeb()
		c := m.connect("web", "token-of-web")
		c.send(&discovery.DeltaDiscoveryRequest{TypeUrl: cache.Secret.URL(), ResourceNamesSubscribe: []string{"identity"}})
		synctest.Wait()
		if c.ended() != nil || c.next() != nil || !strings.Contains(m.logs.String(), "secret is not available") {
			t.Fatalf("ended %v, logged %s", c.ended(), m.logs)
		}
	})
}

type faultySecrets struct{ noSecrets }

func (faultySecrets) Open(Peer, func()) SecretSession { return faultySecrets{} }
func (faultySecrets) Secret(context.Context, string, string) (Secret, error) {
	panic("a fault in signing")
}

// TestSilentClient: a stream that says nothing ends.
func TestSilentClient(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		t.Helper()
		m := newMesh(t, nil)
		ended := serveFake(t, m, &fakeTransport{})
		advance(31 * time.Second)
		if err := <-ended; status.Code(err) != codes.DeadlineExceeded {
			t.Fatal(err)
		}
	})
}

// TestClientGoesAway: the end of a client is no error, and its subscription ends with it.
func TestClientGoesAway(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		t.Helper()
		m := newMesh(t, nil)
		m.publishWeb()
		c := m.connect("web", "token-of-web")
		c.send(&discovery.DeltaDiscoveryRequest{TypeUrl: cache.Cluster.URL()})
		synctest.Wait()
		c.close()
		synctest.Wait()
		if !slices.Equal(m.observer.closed, []string{ReasonClient}) || len(m.server.streams) != 0 {
			t.Fatalf("closed %q, %d streams", m.observer.closed, len(m.server.streams))
		}
		settled := false
		m.store.Publish(cache.Publication{
			Changes: []cache.Change{{Layer: "mesh", Ref: cache.Ref{Type: cache.Cluster, Name: "a"}}},
			Settled: func() { settled = true },
		})
		if settled {
			t.Error("a publication waited for a stream that is gone")
		}
	})
}

// TestStreamsShowsAll: the debug view has what a stream has, refused and awaits, and no secret.
func TestStreamsShowsAll(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		t.Helper()
		m := newMesh(t, nil)
		m.vault.put("identity", "i1", 0)
		m.publishWeb(
			cache.NewResource(cache.ResourceConfig{Type: cache.Cluster, Name: "bad", Version: "2", Owner: "Service/shop/bad"}),
			cache.NewResource(cache.ResourceConfig{
				Type: cache.Listener, Name: "l", Version: "1", Owner: "Service/shop/l", Refs: []cache.Ref{{Type: cache.Cluster, Name: "bad"}},
			}),
		)
		s := newScript(&own{mesh: m, t: t}, func(d difference) { t.Fatal(d) })
		s.play(t, `connect
			request cluster
			expect cluster bad@2
			nack cluster it is bad
			request listener
			expect listener
			ack listener
			request secret +identity
			expect secret identity@i1
			ack secret`)
		infos := m.server.Streams(context.Background())
		if len(infos) != 1 {
			t.Fatalf("%d streams", len(infos))
		}
		info := infos[0]
		if info.Peer != peerOf("web") || info.Agent != "envoy/1.40.0" || info.Lagging() || info.Since.IsZero() {
			t.Errorf("got %+v", info)
		}
		if want := time.Now().Add(24 * time.Hour); !info.IdentityExpires.Equal(want) {
			t.Errorf("the identity expires %v, want %v", info.IdentityExpires, want)
		}
		text, err := json.MarshalIndent(info.Types, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{`"error": "it is bad"`, `"owner": "Service/shop/bad"`, `"withheld"`, `"owner": "Service/shop/l"`, `"subscribed": 1`} {
			if !strings.Contains(string(text), want) {
				t.Errorf("no %s in %s", want, text)
			}
		}
		m.publishWeb(cache.NewResource(cache.ResourceConfig{Type: cache.Cluster, Name: "new"}))
		synctest.Wait()
		if infos = m.server.Streams(context.Background()); !infos[0].Lagging() || infos[0].Types[0].Pending != 1 {
			t.Errorf("got %+v", infos[0])
		}
		dump := fmt.Sprintf("%+v %#v %s %s", infos, infos, text, m.logs)
		for st := range m.server.streams {
			dump += fmt.Sprintf("%+v", st.delta.secrets.byName["identity"])
		}
		if strings.Contains(dump, "secret identity i1") {
			t.Errorf("a secret shows in %s", dump)
		}
		if !strings.Contains(m.logs.String(), `resource=bad version=2 owner=Service/shop/bad error="it is bad"`) {
			t.Errorf("logged %s", m.logs)
		}
	})
}

// TestStreamsDoesNotWait: a question that ends gets what there is.
func TestStreamsDoesNotWait(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		t.Helper()
		m := newMesh(t, nil)
		serveFake(t, m, &fakeTransport{}) // It has not said who it is.
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if infos := m.server.Streams(ctx); len(infos) != 0 {
			t.Fatalf("got %+v", infos)
		}
	})
}

// TestDrainCuts: Drain says when it lost patience, and leaves nothing behind.
func TestDrainCuts(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		t.Helper()
		m := newMesh(t, nil)
		m.publishWeb()
		c := m.connect("web", "token-of-web")
		c.send(&discovery.DeltaDiscoveryRequest{TypeUrl: cache.Cluster.URL()})
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := m.server.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		if err := m.server.Drain(context.Background()); err != nil {
			t.Fatalf("once more: %v", err)
		}
		if len(m.server.streams) != 0 || !slices.Equal(m.observer.closed, []string{ReasonDrained}) {
			t.Fatalf("%d streams, closed %q", len(m.server.streams), m.observer.closed)
		}
	})
}

// TestConfigIsChecked: a server without a store or an authenticator is not made.
func TestConfigIsChecked(t *testing.T) {
	for _, c := range []Config{{}, {Store: cache.NewStore()}, {Auth: tokens{}}} {
		if _, err := New(c); err == nil {
			t.Errorf("made from %+v", c)
		}
	}
}

// TestInterceptorEndsStream: whoever stands before the engine can end a stream by its context.
func TestInterceptorEndsStream(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		t.Helper()
		m := newMesh(t, nil)
		m.publishWeb()
		ctx, cancel := context.WithCancel(context.WithValue(context.Background(), peerKey{}, peerOf("web")))
		gone := make(chan struct{}) // The transport does not know of the interceptor.
		f := &fakeTransport{gone: gone, requests: make(chan *request), write: func(*response) error { return nil }}
		ended := make(chan error, 1)
		go func() { ended <- m.server.serve(ctx, f) }()
		f.requests <- &request{node: webNode(), typ: cache.Cluster, known: true}
		synctest.Wait()
		cancel()
		if err := <-ended; status.Code(err) != codes.Canceled {
			t.Errorf("the stream ended with %v", err)
		}
		close(gone)
	})
}
