package server

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"outrigger.dev/outrigger/xds/cache"
)

// TestLimits: what is too much ends its own stream with the right status, and no other one.
func TestLimits(t *testing.T) {
	manyNames := make([]string, 50_001)
	for i := range manyNames {
		manyNames[i] = fmt.Sprint("name-", i)
	}
	tests := map[string]struct {
		requests []*discovery.DeltaDiscoveryRequest
		want     codes.Code
		reason   string
	}{
		"a name of 1 KB": {
			requests: subscribes(strings.Repeat("n", 1024)),
		},
		"a name over 1 KB": {
			requests: subscribes(strings.Repeat("n", 1025)), want: codes.InvalidArgument, reason: ReasonInvalid,
		},
		"a name over 1 KB to unsubscribe": {
			requests: []*discovery.DeltaDiscoveryRequest{{
				TypeUrl: cache.Cluster.URL(), ResourceNamesUnsubscribe: []string{strings.Repeat("n", 1025)},
			}},
			want: codes.InvalidArgument, reason: ReasonInvalid,
		},
		"a name over 1 KB among the initial versions": {
			requests: []*discovery.DeltaDiscoveryRequest{{
				TypeUrl: cache.Cluster.URL(), InitialResourceVersions: map[string]string{strings.Repeat("n", 1025): "1"},
			}},
			want: codes.InvalidArgument, reason: ReasonInvalid,
		},
		"a version over 1 KB": {
			requests: []*discovery.DeltaDiscoveryRequest{{
				TypeUrl: cache.Cluster.URL(), InitialResourceVersions: map[string]string{"n": strings.Repeat("1", 1025)},
			}},
			want: codes.InvalidArgument, reason: ReasonInvalid,
		},
		"50,000 names": {
			requests: subscribes(manyNames[:50_000]...),
		},
		"over 50,000 names": {
			requests: subscribes(manyNames...), want: codes.ResourceExhausted, reason: ReasonLimit,
		},
		"over 50,000 names bit by bit": {
			requests: append(subscribes(manyNames[:50_000]...), subscribes(manyNames[50_000:]...)...),
			want:     codes.ResourceExhausted, reason: ReasonLimit,
		},
		"over 50,000 versions": {
			requests: []*discovery.DeltaDiscoveryRequest{{TypeUrl: cache.Cluster.URL(), InitialResourceVersions: versionsFor(manyNames)}},
			want:     codes.ResourceExhausted, reason: ReasonLimit,
		},
		"40 MB": {
			requests: []*discovery.DeltaDiscoveryRequest{{
				TypeUrl: cache.Cluster.URL(), ErrorDetail: &rpcstatus.Status{Message: strings.Repeat("x", 40<<20)},
			}},
			want: codes.ResourceExhausted,
		},
		"no type": {
			requests: []*discovery.DeltaDiscoveryRequest{{}}, want: codes.InvalidArgument, reason: ReasonInvalid,
		},
		"a type_url over 1 KB": {
			requests: []*discovery.DeltaDiscoveryRequest{{TypeUrl: strings.Repeat("t", 1025)}},
			want:     codes.InvalidArgument, reason: ReasonInvalid,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				t.Helper()
				m := newMesh(t, nil)
				m.store.Publish(cache.Publication{Nodes: map[string]*cache.ViewSpec{
					"shop/web": {Layers: []cache.LayerID{"mesh"}, Scope: cache.All}, "shop/other": {Scope: cache.All},
				}})
				other := m.connect("other", "token-of-other")
				other.send(&discovery.DeltaDiscoveryRequest{TypeUrl: cache.Cluster.URL()})
				c := m.connect("web", "token-of-web")
				for _, r := range test.requests {
					c.send(r)
				}
				synctest.Wait()
				if got := status.Code(c.ended()); got != test.want {
					t.Fatalf("the stream ended with %v", c.ended())
				}
				if test.want == codes.OK && c.next() == nil {
					t.Error("no answer")
				}
				if test.reason != "" && fmt.Sprint(m.observer.denied) != fmt.Sprint([]string{test.reason}) {
					t.Errorf("counted %q, want %q", m.observer.denied, test.reason)
				}
				if closed := m.observer.closed; test.want == codes.ResourceExhausted && fmt.Sprint(closed) != fmt.Sprint([]string{ReasonLimit}) {
					t.Errorf("the end of the stream was counted as %q", closed)
				}
				if err := other.ended(); err != nil || other.next() == nil {
					t.Errorf("the other stream: %v", err)
				}
			})
		})
	}
}

func subscribes(names ...string) []*discovery.DeltaDiscoveryRequest {
	return []*discovery.DeltaDiscoveryRequest{{TypeUrl: cache.Endpoints.URL(), ResourceNamesSubscribe: names}}
}

func versionsFor(names []string) map[string]string {
	versions := map[string]string{}
	for _, name := range names {
		versions[name] = "1"
	}
	return versions
}

// TestTooManyStreams: one more than the limit is told to come later; when one ends, the next is let in.
func TestTooManyStreams(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		t.Helper()
		m := newMesh(t, func(c *Config) { c.Limits.Streams = 1 })
		m.store.Publish(cache.Publication{Nodes: map[string]*cache.ViewSpec{"shop/web": {Scope: cache.All}}})
		first := m.connect("web", "token-of-web")
		first.send(&discovery.DeltaDiscoveryRequest{TypeUrl: cache.Cluster.URL()})
		synctest.Wait()
		second := m.connect("web", "token-of-web")
		synctest.Wait()
		if got := status.Convert(second.ended()); got.Code() != codes.Unavailable || len(got.Details()) != 1 {
			t.Fatalf("the second stream: %v, %v", got, got.Details())
		}
		first.close()
		synctest.Wait()
		third := m.connect("web", "token-of-web")
		third.send(&discovery.DeltaDiscoveryRequest{TypeUrl: cache.Cluster.URL()})
		synctest.Wait()
		if third.next() == nil {
			t.Fatalf("the third stream: %v", third.ended())
		}
	})
}

// TestOpeningWaits: a stream whose first exchange cannot begin yet waits, and is served when a slot is free.
func TestOpeningWaits(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		t.Helper()
		m := newMesh(t, func(c *Config) { c.Limits.Opening = 1 })
		m.store.Publish(cache.Publication{Nodes: map[string]*cache.ViewSpec{"shop/web": {Scope: cache.All}}})
		slow := m.connect("web", "token-of-web")
		slow.send(&discovery.DeltaDiscoveryRequest{TypeUrl: cache.Cluster.URL()})
		synctest.Wait()
		next := m.connect("web", "token-of-web")
		next.send(&discovery.DeltaDiscoveryRequest{TypeUrl: cache.Cluster.URL()})
		synctest.Wait()
		if next.next() != nil {
			t.Fatal("the second stream did not wait")
		}
		advance(openingHold)
		if next.next() == nil {
			t.Fatalf("the second stream: %v", next.ended())
		}
		// A stream that has asked for listeners and has everything leaves at once.
		quick := m.connect("web", "token-of-web")
		advance(openingHold)
		quick.send(&discovery.DeltaDiscoveryRequest{TypeUrl: cache.Listener.URL()})
		synctest.Wait()
		r := quick.next()
		if r == nil {
			t.Fatalf("the quick stream: %v", quick.ended())
		}
		quick.send(&discovery.DeltaDiscoveryRequest{TypeUrl: cache.Listener.URL(), ResponseNonce: r.Nonce})
		synctest.Wait()
		if taken := len(m.server.gate.slots); taken != 0 {
			t.Fatalf("%d slots are taken", taken)
		}
	})
}
