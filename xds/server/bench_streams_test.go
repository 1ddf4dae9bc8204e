package server

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/proto"

	"outrigger.dev/outrigger/xds/cache"
	"outrigger.dev/outrigger/xds/transport"
)

// benchLink is the connection of a client that has everything, and acknowledges what is sent to it: at once while it is
// eager, else when it is told to.
type benchLink struct {
	ctx      context.Context //nolint:containedctx // as in what it stands for
	eager    bool
	answered func()
	events   transport.Events
	said     [][]byte
	ack      []byte
	acks     [1][]byte
}

func (l *benchLink) Tell(events transport.Events) { l.events = events }
func (l *benchLink) Context() context.Context     { return l.ctx }
func (*benchLink) Ahead(int)                      {}
func (*benchLink) End(error)                      {}

func (l *benchLink) Receive(read func(message []byte)) (bool, error) {
	if err := l.ctx.Err(); err != nil || len(l.said) == 0 {
		return false, err
	}
	read(l.said[0])
	l.said = l.said[1:]
	return true, nil
}

// Send makes the acknowledgement of the last message out of its type and its nonce, with which it begins and ends.
func (l *benchLink) Send(messages ...[][]byte) bool {
	message := messages[len(messages)-1]
	url, nonce := message[0][:2+int(message[0][1])], message[len(message)-1]
	l.ack = append(l.ack[:0], url...)
	l.ack = append(l.ack, nonce...)
	l.ack[0], l.ack[len(url)] = requestTypeURL<<3|2, requestNonce<<3|2
	if l.eager {
		l.said = append(l.said, append([]byte(nil), l.ack...))
	}
	l.answered()
	return true
}

// acknowledge has the stream receive what it was not told yet.
func (l *benchLink) acknowledge() {
	l.said = l.acks[:]
	l.acks[0] = l.ack
	l.events.Readable()
}

// benchStreams opens streams of clients that have all of benchMesh, each for its own workload, and have their secrets.
func benchStreams(b *testing.B, streams int) (*mesh, []*benchLink) {
	b.Helper()
	store := benchMesh()
	m := newMesh(b, func(c *Config) {
		c.Store, c.Observer = store, noObserver{}
		c.Limits.Opening, c.Limits.OpeningWork = streams, time.Hour
	})
	m.store = store
	m.vault.put("roots", "1", time.Hour)
	m.vault.put("identity", "1", time.Hour)
	nodes := map[string]*cache.ViewSpec{}
	for i := range streams {
		nodes[fmt.Sprintf("shop/web-%d", i)] = &cache.ViewSpec{Layers: []cache.LayerID{"mesh"}, Scope: cache.All}
	}
	store.Publish(cache.Publication{Nodes: nodes})
	info, _ := store.View("shop/web")
	wire := wireRequests(b, info.Snapshot, cache.Cluster, cache.Endpoints, cache.Listener, cache.Route)
	wire = append(wire, encoded(b, &discovery.DeltaDiscoveryRequest{
		TypeUrl: cache.Secret.URL(), ResourceNamesSubscribe: []string{"identity", "roots"},
	}))
	var secrets sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	links := make([]*benchLink, streams)
	for i := range links {
		secrets.Add(2)
		l := &benchLink{ctx: ctx, eager: true, answered: secrets.Done}
		node := envoyNode(fmt.Sprintf("shop/web-%d", i), fmt.Sprintf("shop/web-%d", i))
		first := append(slices.Clip(wire[0]), encoded(b, &discovery.DeltaDiscoveryRequest{Node: node})...)
		l.said = append([][]byte{first}, wire[1:]...)
		links[i] = l
		m.server.serve(bearer(fmt.Sprintf("token-of-web-%d", i)), newDeltaWire(l))
	}
	secrets.Wait()
	b.Cleanup(func() {
		cancel()
		for _, l := range links {
			l.events.Readable()
		}
	})
	return m, links
}

func encoded(tb testing.TB, message proto.Message) []byte {
	tb.Helper()
	b, err := proto.Marshal(message)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// coldness is more than the caches of processors hold.
const coldness = 64 << 20

// BenchmarkStreamsEndpointChange is the server's own part of one endpoint change that a thousand streams see, decoding and
// framing included: nothing is in the processor's caches when the change is published, nor when it is acknowledged, as in
// a server whose streams have connections of their own.
func BenchmarkStreamsEndpointChange(b *testing.B) {
	const streams = 1000
	m, links := benchStreams(b, streams)
	for _, l := range links {
		l.eager, l.answered = false, func() {}
	}
	other := make([]byte, coldness)
	cool := func() {
		b.StopTimer()
		for i := 0; i < len(other); i += 64 {
			other[i]++
		}
		b.StartTimer()
	}
	b.ReportAllocs()
	i := 0
	for ; b.Loop(); i++ {
		cool()
		sent, settled := make(chan struct{}), make(chan struct{})
		m.store.Publish(cache.Publication{
			Changes: []cache.Change{{
				Layer: "mesh", Ref: cache.Ref{Type: cache.Endpoints, Name: "outbound|80||service-7.shop"},
				Resource: cache.NewResource(cache.ResourceConfig{
					Type: cache.Endpoints, Name: "outbound|80||service-7.shop", Body: fmt.Append(nil, i),
				}),
			}},
			Sent: func() { close(sent) }, Settled: func() { close(settled) },
		})
		<-sent
		cool()
		for _, l := range links {
			l.acknowledge()
		}
		<-settled
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(i*streams), "ns/stream")
}
