package server

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"outrigger.dev/outrigger/xds/cache"
)

// benchMesh is a store with 1,000 services, each a cluster, an assignment, a listener and a route.
func benchMesh() *cache.Store {
	store := cache.NewStore()
	var p cache.Publication
	add := func(t cache.Type, name string, size int, refs ...cache.Ref) {
		p.Changes = append(p.Changes, cache.Change{Layer: "mesh", Ref: cache.Ref{Type: t, Name: name}, Resource: cache.NewResource(
			cache.ResourceConfig{Type: t, Name: name, Body: make([]byte, size), Refs: refs},
		)})
	}
	for i := range 1000 {
		cluster := fmt.Sprintf("outbound|80||service-%d.shop", i)
		listener := fmt.Sprintf("10.0.%d.%d_80", i/256, i%256)
		add(cache.Cluster, cluster, 400, cache.Ref{Type: cache.Endpoints, Name: cluster},
			cache.Ref{Type: cache.Secret, Name: "identity"}, cache.Ref{Type: cache.Secret, Name: "roots"})
		add(cache.Endpoints, cluster, 120)
		add(cache.Listener, listener, 300, cache.Ref{Type: cache.Route, Name: listener})
		add(cache.Route, listener, 200, cache.Ref{Type: cache.Cluster, Name: cluster})
	}
	p.Nodes = map[string]*cache.ViewSpec{"shop/web": {Layers: []cache.LayerID{"mesh"}, Scope: cache.All}}
	store.Publish(p)
	return store
}

func benchSession(b *testing.B, store *cache.Store) (*session, *cache.Subscription) {
	b.Helper()
	sub, err := store.Subscribe("shop/web", nil)
	if err != nil {
		b.Fatal(err)
	}
	snapshot, _ := sub.Current()
	shared := &settings{
		timing: Timing{}.withDefaults(), limits: Limits{}.withDefaults(), observer: noObserver{},
		heads: newHeads("outrigger"), refusals: newRefusals(), wholeFrom: compactFrom,
	}
	return newSession(shared, Peer{Node: "shop/web"}, snapshot, rand.NewPCG(1, 2)), sub
}

// connect plays the first exchange of an Envoy that has nothing, or, with have, everything.
func benchConnect(b *testing.B, s *session, have bool) (sent int) {
	b.Helper()
	now := time.Unix(1e9, 0)
	for _, step := range []struct {
		typ   cache.Type
		names bool
	}{{cache.Cluster, false}, {cache.Endpoints, true}, {cache.Secret, true}, {cache.Listener, false}, {cache.Route, true}} {
		r := &request{typ: step.typ, known: true}
		if step.typ == cache.Secret {
			r.subscribe = []string{"identity", "roots"}
		} else {
			s.latest.All(step.typ, func(res *cache.Resource) bool {
				if step.names {
					r.subscribe = append(r.subscribe, res.Name())
				}
				if have {
					r.versions = append(r.versions, held{res.Name(), res.Version()})
				}
				return true
			})
		}
		if err := s.onRequest(now, r); err != nil {
			b.Fatal(err)
		}
		for range 2 {
			if _, _, ok := s.nextSecret(now); ok {
				s.onSecret(now, Secret{Version: "1", Body: Redact([]byte("secret"))}, nil)
			}
			sent += benchAnswer(b, s, now)
		}
	}
	return sent
}

// benchAnswer acknowledges everything that is in flight.
func benchAnswer(b *testing.B, s *session, now time.Time) (sent int) {
	b.Helper()
	for _, r := range s.take() {
		sent += r.push.Resources
		typ := r.push.Type
		r.reuse()
		if f := s.types[typ].flight; f.flies() {
			if err := s.onRequest(now, &request{typ: typ, known: true, nonce: f.nonce}); err != nil {
				b.Fatal(err)
			}
		}
	}
	return sent
}

// BenchmarkSessionEndpointChange is the engine's own part of one endpoint change on one stream, ACK included.
func BenchmarkSessionEndpointChange(b *testing.B) {
	store := benchMesh()
	s, sub := benchSession(b, store)
	if sent := benchConnect(b, s, false); sent != 4002 {
		b.Fatalf("sent %d resources", sent)
	}
	name := "outbound|80||service-7.shop"
	now := time.Unix(1e9, 0)
	var snapshots []*cache.Snapshot
	for i := range 64 {
		store.Publish(cache.Publication{Changes: []cache.Change{{
			Layer: "mesh", Ref: cache.Ref{Type: cache.Endpoints, Name: name},
			Resource: cache.NewResource(cache.ResourceConfig{Type: cache.Endpoints, Name: name, Body: []byte{byte(i), 1}}),
		}}})
		snapshot, _ := sub.Current()
		snapshots = append(snapshots, snapshot)
	}
	b.ReportAllocs()
	sent, i := 0, 0
	for b.Loop() {
		s.onSnapshot(now, snapshots[i%len(snapshots)])
		sent += benchAnswer(b, s, now)
		i++
	}
	if sent != i {
		b.Fatalf("sent %d of %d", sent, i)
	}
}

// BenchmarkSessionFirstConnection is the engine's own part of a connection that gets 1,000 services.
func BenchmarkSessionFirstConnection(b *testing.B) {
	store := benchMesh()
	b.ReportAllocs()
	for b.Loop() {
		s, sub := benchSession(b, store)
		if sent := benchConnect(b, s, false); sent != 4002 {
			b.Fatalf("sent %d resources", sent)
		}
		sub.Close()
	}
}

// BenchmarkSessionReconnect is the engine's own part of a reconnect that finds nothing changed.
func BenchmarkSessionReconnect(b *testing.B) {
	store := benchMesh()
	b.ReportAllocs()
	for b.Loop() {
		s, sub := benchSession(b, store)
		if sent := benchConnect(b, s, true); sent != 2 { // The secrets have no version to keep.
			b.Fatalf("sent %d resources", sent)
		}
		sub.Close()
	}
}

// wireRequests are the first requests of an Envoy that comes back with all of a snapshot: names in order, versions in
// that of a protobuf map, which is none.
func wireRequests(tb testing.TB, snapshot *cache.Snapshot, types ...cache.Type) [][]byte {
	tb.Helper()
	var out [][]byte
	for _, t := range types {
		m := &discovery.DeltaDiscoveryRequest{TypeUrl: t.URL(), InitialResourceVersions: map[string]string{}}
		if t == cache.Cluster {
			m.Node = envoyNode("shop/web", "shop/web")
		}
		snapshot.All(t, func(res *cache.Resource) bool {
			if t == cache.Endpoints || t == cache.Route {
				m.ResourceNamesSubscribe = append(m.ResourceNamesSubscribe, res.Name())
			}
			m.InitialResourceVersions[res.Name()] = res.Version()
			return true
		})
		slices.Sort(m.ResourceNamesSubscribe)
		b, err := proto.Marshal(m)
		if err != nil {
			tb.Fatal(err)
		}
		out = append(out, b)
	}
	return out
}

// BenchmarkReconnect is what an unchanged mesh of 1,000 services costs the engine when a proxy comes back, reading its
// requests included: clusters and assignments, and with listeners and routes for one that captures.
func BenchmarkReconnect(b *testing.B) {
	for _, proxy := range []struct {
		name  string
		types []cache.Type
	}{
		{"explicit", []cache.Type{cache.Cluster, cache.Endpoints}},
		{"capturing", []cache.Type{cache.Cluster, cache.Endpoints, cache.Listener, cache.Route}},
	} {
		b.Run(proxy.name, func(b *testing.B) { benchReconnect(b, proxy.types) })
	}
}

func benchReconnect(b *testing.B, types []cache.Type) {
	b.Helper()
	store := benchMesh()
	_, sub := benchSession(b, store)
	snapshot, _ := sub.Current()
	wire := wireRequests(b, snapshot, types...)
	now := time.Unix(1e9, 0)
	r := &request{} // Used again, as a wire does.
	b.ReportAllocs()
	for b.Loop() {
		s, sub := benchSession(b, store)
		for i, message := range wire {
			r.reset(i == 0)
			if err := r.decode(message); err != nil {
				b.Fatal(err)
			}
			if err := s.onRequest(now, r); err != nil {
				b.Fatal(err)
			}
		}
		if out := s.take(); len(out) > 0 {
			b.Fatalf("%d responses to a client that has everything", len(out))
		}
		sub.Close()
	}
}

// BenchmarkStreamEndpointChange is one endpoint change on one stream over gRPC and TLS in memory: what
// it costs server and client together, each with its own codec.
func BenchmarkStreamEndpointChange(b *testing.B) {
	m := newMesh(b, nil)
	m.store.Publish(cache.Publication{Nodes: map[string]*cache.ViewSpec{
		"shop/web": {Layers: []cache.LayerID{"mesh"}, Scope: cache.All},
	}})
	ctx, cancel := context.WithCancel(metadata.AppendToOutgoingContext(b.Context(), "authorization", "Bearer token-of-web"))
	defer cancel()
	stream, err := discovery.NewAggregatedDiscoveryServiceClient(m.dial()).DeltaAggregatedResources(ctx)
	if err != nil {
		b.Fatal(err)
	}
	next := &discovery.DeltaDiscoveryRequest{
		Node: envoyNode("shop/web", "shop/web"), TypeUrl: cache.Endpoints.URL(), ResourceNamesSubscribe: []string{"a"},
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		m.store.Publish(cache.Publication{Changes: []cache.Change{{
			Layer: "mesh", Ref: cache.Ref{Type: cache.Endpoints, Name: "a"},
			Resource: cache.NewResource(cache.ResourceConfig{Type: cache.Endpoints, Name: "a", Body: fmt.Append(nil, i)}),
		}}})
		if err := stream.Send(next); err != nil {
			b.Fatal(err)
		}
		response, err := stream.Recv()
		if err != nil {
			b.Fatal(err)
		}
		next = &discovery.DeltaDiscoveryRequest{TypeUrl: response.TypeUrl, ResponseNonce: response.Nonce}
	}
}

// BenchmarkNamesBesideHalves: a client that refused 5,000 names asks for the most that it may, while half of them wait to be sent again.
func BenchmarkNamesBesideHalves(b *testing.B) {
	store := cache.NewStore()
	p := cache.Publication{Nodes: map[string]*cache.ViewSpec{"shop/web": {Layers: []cache.LayerID{"mesh"}, Scope: cache.All}}}
	names := make([]string, Limits{}.withDefaults().NamesPerType)
	for i := range names {
		names[i] = fmt.Sprintf("outbound|80||service-%05d.shop", i)
	}
	refused := names[:Limits{}.withDefaults().ResponseMembers]
	for _, name := range refused {
		ref := cache.Ref{Type: cache.Endpoints, Name: name}
		res := cache.NewResource(cache.ResourceConfig{Type: ref.Type, Name: name, Version: "1", Body: []byte("body")})
		p.Changes = append(p.Changes, cache.Change{Layer: "mesh", Ref: ref, Resource: res})
	}
	store.Publish(p)
	s, _ := benchSession(b, store)
	t := &s.types[cache.Endpoints]
	say := func(r *request) {
		r.typ, r.known = cache.Endpoints, true
		if err := s.onRequest(time.Unix(1e9, 0), r); err != nil {
			b.Fatal(err)
		}
		s.take()
	}
	say(&request{subscribe: refused})
	say(&request{nonce: t.flight.nonce, refused: true, problem: "bad"})
	for b.Loop() {
		say(&request{subscribe: names})
	}
}
