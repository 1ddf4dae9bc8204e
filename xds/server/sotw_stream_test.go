package server

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"outrigger.dev/outrigger/xds/cache"
)

// sotwStream opens a stream of the state-of-the-world form.
func sotwStream(t *testing.T, m *mesh, token string) discovery.AggregatedDiscoveryService_StreamAggregatedResourcesClient {
	t.Helper()
	return sotwStreamOver(t, m.dial(), token)
}

func sotwStreamOver(t *testing.T, conn *grpc.ClientConn, token string) discovery.AggregatedDiscoveryService_StreamAggregatedResourcesClient {
	t.Helper()
	ctx, cancel := context.WithCancel(metadata.AppendToOutgoingContext(context.Background(), "authorization", "Bearer "+token))
	t.Cleanup(cancel)
	stream, err := discovery.NewAggregatedDiscoveryServiceClient(conn).StreamAggregatedResources(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

func publishCluster(m *mesh, version string) {
	res := cache.NewResource(cache.ResourceConfig{Type: cache.Cluster, Name: "a", Version: version, Body: []byte("cluster a " + version)})
	m.store.Publish(cache.Publication{
		Changes: []cache.Change{{Layer: "mesh", Ref: cache.Ref{Type: cache.Cluster, Name: "a"}, Resource: res}},
		Nodes:   map[string]*cache.ViewSpec{"shop/web": {Layers: []cache.LayerID{"mesh"}, Scope: cache.All}},
	})
}

// TestSotwStream: both forms are served side by side, over gRPC and TLS, from the same bytes; a publication reaches both,
// and both are shown, settled and drained.
func TestSotwStream(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		t.Helper()
		m := newMesh(t, nil)
		publishCluster(m, "1")
		delta := m.connect("web", "token-of-web")
		delta.send(&discovery.DeltaDiscoveryRequest{TypeUrl: cache.Cluster.URL()})
		stream := sotwStream(t, m, "token-of-web")
		request := &discovery.DiscoveryRequest{Node: envoyNode("shop/web", "shop/web"), TypeUrl: cache.Cluster.URL(), ResourceNames: []string{"a"}}
		for _, version := range []string{"1", "2"} {
			if version == "2" {
				publishCluster(m, version)
			}
			if version == "1" {
				if err := stream.Send(request); err != nil {
					t.Fatal(err)
				}
			}
			r, err := stream.Recv()
			if err != nil || len(r.Resources) != 1 || string(r.Resources[0].Value) != "cluster a "+version {
				t.Fatalf("got %v: %v", r, err)
			}
			request.Node, request.VersionInfo, request.ResponseNonce = nil, r.VersionInfo, r.Nonce
			if err := stream.Send(request); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if d := delta.next(); d == nil || len(d.Resources) != 1 || d.Resources[0].Name != "a" || d.Resources[0].Version != version {
				t.Fatalf("the delta stream got %v", d)
			} else {
				delta.send(&discovery.DeltaDiscoveryRequest{TypeUrl: d.TypeUrl, ResponseNonce: d.Nonce})
			}
			synctest.Wait()
		}
		infos := m.server.Streams(t.Context())
		if len(infos) != 2 || infos[0].Lagging() || infos[1].Lagging() {
			t.Errorf("streams %+v", infos)
		}
		go func() { _ = m.server.Drain(t.Context()) }()
		if r, err := stream.Recv(); status.Code(err) != codes.Unavailable {
			t.Errorf("a drained stream got %v, %v", r, err)
		}
	})
}

// TestSotwStreamsPerNode: a program has a stream for each target that it dials. They are counted apart from the other
// streams of its workload, and not without end: the one that was silent for the longest makes room.
func TestSotwStreamsPerNode(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		t.Helper()
		m := newMesh(t, func(c *Config) { c.Limits.StreamsPerNode = 1 })
		publishCluster(m, "1")
		delta := m.connect("web", "token-of-web")
		delta.send(&discovery.DeltaDiscoveryRequest{TypeUrl: cache.Cluster.URL()})
		var streams []discovery.AggregatedDiscoveryService_StreamAggregatedResourcesClient
		for range targetsPerProgram + 1 {
			stream := sotwStream(t, m, "token-of-web")
			streams = append(streams, stream)
			err := stream.Send(&discovery.DiscoveryRequest{
				Node: envoyNode("shop/web", "shop/web"), TypeUrl: cache.Cluster.URL(), ResourceNames: []string{"a"},
			})
			if err == nil {
				_, err = stream.Recv()
			}
			if err != nil {
				t.Fatal(err)
			}
			advance(time.Millisecond)
		}
		if _, err := streams[0].Recv(); status.Code(err) != codes.Unavailable {
			t.Errorf("the first stream: %v", err)
		}
		if infos := m.server.Streams(t.Context()); len(infos) != targetsPerProgram+1 || delta.next() == nil || delta.ended() != nil {
			t.Errorf("%d streams are open; the proxy's own: %v", len(infos), delta.ended())
		}
	})
}

// TestSotwStreamsOverOneConnection: all streams that a program may open at once fit over one connection, as gRPC libraries open
// them that share it between targets.
func TestSotwStreamsOverOneConnection(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		t.Helper()
		m := newMesh(t, nil)
		publishCluster(m, "1")
		conn := m.dial()
		for i := range tenantBurst {
			stream := sotwStreamOver(t, conn, "token-of-web")
			err := stream.Send(&discovery.DiscoveryRequest{
				Node: envoyNode("shop/web", "shop/web"), TypeUrl: cache.Cluster.URL(), ResourceNames: []string{"a"},
			})
			if err == nil {
				_, err = stream.Recv()
			}
			if err != nil {
				t.Fatalf("stream %d: %v", i, err)
			}
		}
		if n := len(m.server.Streams(t.Context())); n != tenantBurst {
			t.Errorf("%d of %d are open", n, tenantBurst)
		}
	})
}
