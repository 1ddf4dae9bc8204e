package adsclient

import (
	"errors"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"outrigger.dev/outrigger/xds/cache"
)

// sentStream keeps what is sent.
type sentStream struct {
	t    *testing.T
	sent []*discoveryv3.DeltaDiscoveryRequest
}

func (s *sentStream) send(message []byte) {
	body, rest, err := next(message)
	request := &discoveryv3.DeltaDiscoveryRequest{}
	if err := errors.Join(err, proto.Unmarshal(body, request)); err != nil || len(rest) > 0 {
		s.t.Errorf("sent %q: %v", message, err)
	}
	s.sent = append(s.sent, request)
}

func (*sentStream) said() bool   { return true }
func (*sentStream) flush() error { return nil }

// expect compares what was sent since the last call.
func (s *sentStream) expect(t *testing.T, step string, want ...*discoveryv3.DeltaDiscoveryRequest) {
	t.Helper()
	if diff := cmp.Diff(want, s.sent, protocmp.Transform()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", step, diff)
	}
	s.sent = nil
}

// ack is the acknowledgement of a response by its nonce; response has the nonce of its type and names of version 1.
func ack(typ cache.Type) *discoveryv3.DeltaDiscoveryRequest {
	return &discoveryv3.DeltaDiscoveryRequest{TypeUrl: typ.URL(), ResponseNonce: typ.String()}
}

func response(typ cache.Type, names ...string) Response {
	r := Response{TypeURL: typ.URL(), Nonce: typ.String()}
	for _, n := range names {
		r.Resources = append(r.Resources, Named{Name: n, Version: "1"})
	}
	return r
}

func asks(typ cache.Type, names ...string) *discoveryv3.DeltaDiscoveryRequest {
	return &discoveryv3.DeltaDiscoveryRequest{TypeUrl: typ.URL(), ResourceNamesSubscribe: names}
}

// TestAsksAsEnvoyDoes: each type once the one before it is there, by the names that it leads to, and acknowledged first.
func TestAsksAsEnvoyDoes(t *testing.T) {
	stream := &sentStream{t: t}
	c := New(Config{Node: "shop/web", Cluster: "shop/default"})
	c.stream = stream
	steps := []struct {
		what string
		take Response
		want []*discoveryv3.DeltaDiscoveryRequest
	}{
		{
			"clusters", response(cache.Cluster, "outbound|80||a", "inbound|80", "outbound|80||b"),
			[]*discoveryv3.DeltaDiscoveryRequest{ack(cache.Cluster), asks(cache.Endpoints, "outbound|80||a", "outbound|80||b")},
		},
		{
			"their assignments", response(cache.Endpoints, "outbound|80||a"),
			[]*discoveryv3.DeltaDiscoveryRequest{ack(cache.Endpoints), asks(cache.Secret, "identity", "roots")},
		},
		{"more assignments", response(cache.Endpoints, "outbound|80||b"), []*discoveryv3.DeltaDiscoveryRequest{ack(cache.Endpoints)}},
		{"secrets", response(cache.Secret, "identity", "roots"), []*discoveryv3.DeltaDiscoveryRequest{ack(cache.Secret), asks(cache.Listener)}},
		{"renewed secrets", response(cache.Secret, "identity"), []*discoveryv3.DeltaDiscoveryRequest{ack(cache.Secret)}},
		{
			"listeners", response(cache.Listener, "outbound", "inbound", "10.0.0.1_80"),
			[]*discoveryv3.DeltaDiscoveryRequest{ack(cache.Listener), asks(cache.Route, "10.0.0.1_80")},
		},
		{"routes", response(cache.Route, "10.0.0.1_80"), []*discoveryv3.DeltaDiscoveryRequest{ack(cache.Route)}},
		{
			"one more cluster, one again", response(cache.Cluster, "outbound|80||c", "outbound|80||a"),
			[]*discoveryv3.DeltaDiscoveryRequest{ack(cache.Cluster), asks(cache.Endpoints, "outbound|80||c")},
		},
		{"an old cluster again", response(cache.Cluster, "outbound|80||c"), []*discoveryv3.DeltaDiscoveryRequest{ack(cache.Cluster)}},
	}
	for _, s := range steps {
		if err := c.take(s.take); err != nil {
			t.Fatal(err)
		}
		stream.expect(t, s.what, s.want...)
	}
	if got := c.Len(cache.Cluster); got != 4 {
		t.Errorf("%d clusters, want 4", got)
	}
	if err := c.take(Response{TypeURL: "type.googleapis.com/no.Such"}); err == nil {
		t.Error("an unknown type was taken")
	}
}

// TestComesBackWithItsVersions: on a later stream every type is asked for at once, with all that the client has of it.
func TestComesBackWithItsVersions(t *testing.T) {
	stream := &sentStream{t: t}
	c := New(Config{Node: "shop/web", Cluster: "shop/default"})
	c.stream = stream
	c.begin(stream)
	node := &corev3.Node{Id: "shop/web", Cluster: "shop/default", UserAgentName: "envoy"}
	first := &discoveryv3.DeltaDiscoveryRequest{TypeUrl: cache.Cluster.URL(), Node: node}
	stream.expect(t, "first", first)
	clusters := response(cache.Cluster, "a", "b", "outbound|80||c")
	clusters.Removed = []string{"a", "never seen"}
	endpoints := response(cache.Endpoints, "outbound|80||a")
	for _, r := range []Response{clusters, endpoints} {
		if err := c.take(r); err != nil {
			t.Fatal(err)
		}
	}
	stream.sent = nil
	c.begin(stream)
	clusterAgain := &discoveryv3.DeltaDiscoveryRequest{
		TypeUrl: cache.Cluster.URL(), Node: node, InitialResourceVersions: map[string]string{"b": "1", "outbound|80||c": "1"},
	}
	endpointsAgain := asks(cache.Endpoints, "outbound|80||c", "outbound|80||a")
	endpointsAgain.InitialResourceVersions = map[string]string{"outbound|80||a": "1"}
	stream.expect(t, "again", clusterAgain, endpointsAgain, asks(cache.Secret, "identity", "roots"))
	c.open(cache.Endpoints, []string{"outbound|80||b"})
	endpointsAgain.ResourceNamesSubscribe = []string{"outbound|80||b", "outbound|80||a"}
	stream.expect(t, "by name", endpointsAgain)
}

// TestCountsWhatItHad: a resource that comes in the version that the client has is one too many.
func TestCountsWhatItHad(t *testing.T) {
	c := New(Config{Node: "shop/web", Cluster: "shop/default"})
	c.stream = &sentStream{t: t}
	other := response(cache.Cluster, "a")
	other.Resources[0].Version = "2"
	gone := response(cache.Cluster)
	gone.Removed = []string{"b"}
	for _, s := range []struct {
		what string
		take Response
		want int64
	}{
		{"at first", response(cache.Cluster, "a", "b"), 0},
		{"one of them again, and another one", response(cache.Cluster, "a", "c"), 1},
		{"another version", other, 1},
		{"its removal", gone, 1},
		{"after its removal", response(cache.Cluster, "b"), 1},
		{"of another type", response(cache.Endpoints, "b"), 1},
	} {
		if err := c.take(s.take); err != nil {
			t.Fatal(err)
		}
		if got := c.Again.Load(); got != s.want {
			t.Errorf("%s: %d, want %d", s.what, got, s.want)
		}
	}
}

// TestGoesFromServerToServer: every run is at the next one.
func TestGoesFromServerToServer(t *testing.T) {
	c := New(Config{Address: "a", Others: []string{"b", "c"}})
	for i, want := range []string{"a", "b", "c", "a"} {
		if got := c.server(); got != want {
			t.Errorf("run %d at %s, want %s", i, got, want)
		}
	}
}
