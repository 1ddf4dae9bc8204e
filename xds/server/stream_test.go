package server

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"outrigger.dev/outrigger/xds/cache"
	"outrigger.dev/outrigger/xds/transport"
)

// fakeCarrier is a stream without a connection.
type fakeCarrier struct {
	ctx    context.Context //nolint:containedctx // as in what it stands for
	cancel context.CancelFunc
	write  func([]*response) bool
	ended  chan error // of capacity one

	mu       sync.Mutex
	events   transport.Events
	requests []*request
}

func (f *fakeCarrier) Tell(events transport.Events) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events = events
}

// say has the stream receive r; nil is a fault in decoding.
func (f *fakeCarrier) say(r *request) {
	f.mu.Lock()
	f.requests = append(f.requests, r)
	f.mu.Unlock()
	f.events.Readable()
}

// cut ends the client.
func (f *fakeCarrier) cut() {
	f.cancel()
	f.mu.Lock()
	events := f.events
	f.mu.Unlock()
	if events != nil {
		events.Readable()
	}
}

func (f *fakeCarrier) receive(bool) (*request, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.ctx.Err(); err != nil {
		return nil, err
	}
	if len(f.requests) == 0 {
		return nil, nil
	}
	next := f.requests[0]
	f.requests = f.requests[1:]
	if next == nil {
		panic("a fault in decoding")
	}
	return next, nil
}

func (f *fakeCarrier) send(responses []*response) bool { return f.write(responses) }
func (f *fakeCarrier) Context() context.Context        { return f.ctx }
func (f *fakeCarrier) ahead(int)                       {}
func (f *fakeCarrier) End(err error)                   { f.ended <- err }

// bearer shows a token.
type bearer string

func (b bearer) Authorization() []string          { return []string{"Bearer " + string(b)} }
func (bearer) VerifiedChain() []*x509.Certificate { return nil }
func (bearer) Remote() net.Addr                   { return nil }

// serveFake opens a stream of shop/web, which writes its responses by write.
func serveFake(t *testing.T, m *mesh, write func([]*response) bool) *fakeCarrier {
	t.Helper()
	f := &fakeCarrier{write: write, ended: make(chan error, 1)}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	go m.server.serve(bearer("token-of-web"), f)
	synctest.Wait()
	t.Cleanup(f.cut)
	return f
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
		if len(m.observer.pushes) != 1 {
			t.Errorf("%d responses were made for a client that reads none", len(m.observer.pushes))
		}
	})
}

// TestPanicEndsOneStream: a fault in a stream ends that stream, is counted, and tells the client nothing.
func TestPanicEndsOneStream(t *testing.T) {
	for name, fail := range map[string]func(m *mesh, f *fakeCarrier){
		"receiving": func(_ *mesh, f *fakeCarrier) { f.say(nil) },
		"sending": func(_ *mesh, f *fakeCarrier) {
			f.say(&request{node: webNode(), typ: cache.Cluster, known: true})
		},
		"between": func(m *mesh, f *fakeCarrier) {
			m.vault.failing = true // So that nothing is sent.
			f.say(&request{node: webNode(), typ: cache.Secret, known: true, subscribe: []string{"identity"}})
			synctest.Wait()
			for st := range m.server.streams {
				if st.session != nil {
					shared := *st.delta.settings
					shared.observer = nil
					st.delta.settings = &shared
				}
			}
			f.say(&request{typ: cache.Cluster, known: true, refused: true})
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				t.Helper()
				m := newMesh(t, nil)
				m.publishWeb()
				healthy := m.connect("web", "token-of-web")
				f := serveFake(t, m, func([]*response) bool { panic("a fault in sending") })
				fail(m, f)
				err := <-f.ended
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
		m.admit("web")
		f := serveFake(t, m, nil)
		advance(31 * time.Second)
		if err := <-f.ended; status.Code(err) != codes.DeadlineExceeded {
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
		serveFake(t, m, nil) // It has not said who it is.
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

// changeable lets everybody in until it takes that back.
type changeable struct {
	tokens
	revoke func(error)
	left   int
}

func (c *changeable) Authenticate(ctx context.Context, credentials Credentials, revoke func(error)) (Admission, error) {
	c.revoke = revoke
	admission, err := c.tokens.Authenticate(ctx, credentials, revoke)
	admission.Left = func() { c.left++ }
	return admission, err
}

// TestRevokedStream: who lets a peer in can take that back while the stream is open, and is told once when it has ended, however that is.
func TestRevokedStream(t *testing.T) {
	for name, test := range map[string]struct {
		opened bool
		end    func(c *changeable, f *fakeCarrier)
		want   codes.Code
	}{
		"revoked": {true, func(c *changeable, _ *fakeCarrier) {
			c.revoke(errors.New("the workload is another"))
			c.revoke(errors.New("once more"))
		}, codes.PermissionDenied},
		"revoked before it says who it is": {false, func(c *changeable, f *fakeCarrier) {
			c.revoke(errors.New("the workload is another"))
			f.say(&request{node: webNode(), typ: cache.Cluster, known: true})
		}, codes.PermissionDenied},
		"left":               {true, func(_ *changeable, f *fakeCarrier) { f.cut() }, codes.Canceled},
		"left before a word": {false, func(_ *changeable, f *fakeCarrier) { f.cut() }, codes.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				t.Helper()
				auth := &changeable{}
				m := newMesh(t, func(c *Config) { c.Auth = auth })
				m.publishWeb()
				f := serveFake(t, m, func([]*response) bool { return true })
				if test.opened {
					f.say(&request{node: webNode(), typ: cache.Cluster, known: true})
				}
				synctest.Wait()
				test.end(auth, f)
				synctest.Wait()
				if err := <-f.ended; status.Code(err) != test.want {
					t.Errorf("the stream ended with %v", err)
				}
				if auth.left != 1 || len(m.server.open()) != 0 {
					t.Errorf("told %d times of the end, %d streams", auth.left, len(m.server.open()))
				}
			})
		})
	}
}
