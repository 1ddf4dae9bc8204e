package server

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"outrigger.dev/outrigger/xds/cache"
)

// admit publishes workloads that see nothing.
func (m *mesh) admit(workloads ...string) {
	nodes := map[string]*cache.ViewSpec{}
	for _, w := range workloads {
		nodes["shop/"+w] = &cache.ViewSpec{Scope: cache.All}
	}
	m.store.Publish(cache.Publication{Nodes: nodes})
}

// begin opens a stream that asks for clusters.
func (m *mesh) begin(workload string) *client {
	m.tb.Helper()
	c := m.connect(workload, "token-of-"+workload)
	c.send(&discovery.DeltaDiscoveryRequest{TypeUrl: cache.Cluster.URL()})
	synctest.Wait()
	return c
}

// waiting returns how many responses were not looked at.
func (c *client) waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.inbox)
}

// hint returns when a client that was refused is told to come again, and fails if it was not refused so.
func hint(t *testing.T, c *client) time.Duration {
	t.Helper()
	got := status.Convert(c.ended())
	if got.Code() != codes.Unavailable || len(got.Details()) != 1 {
		t.Fatalf("the stream ended with %v, %v", got, got.Details())
	}
	return got.Details()[0].(*errdetails.RetryInfo).GetRetryDelay().AsDuration()
}

// TestStreamsPerNode: one workload cannot take the places of all others, and who comes back is let in.
func TestStreamsPerNode(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		t.Helper()
		m := newMesh(t, nil)
		m.admit("web", "other")
		var streams []*client
		for range 4 {
			streams = append(streams, m.begin("web"))
			advance(time.Second)
		}
		streams[0].send(&discovery.DeltaDiscoveryRequest{TypeUrl: cache.Cluster.URL(), ResponseNonce: streams[0].next().GetNonce()})
		advance(time.Second)
		streams = append(streams, m.begin("other"), m.begin("web"))
		if got := status.Convert(streams[1].ended()); got.Code() != codes.Unavailable || !strings.Contains(got.Message(), "silent for the longest") {
			t.Errorf("the stream that was silent for the longest: %v", got)
		}
		if !slices.Equal(m.observer.closed, []string{ReasonSuperseded}) {
			t.Errorf("counted %q", m.observer.closed)
		}
		for i, c := range streams {
			if i != 1 && c.ended() != nil {
				t.Errorf("stream %d: %v", i, c.ended())
			}
			c.close()
		}
		advance(time.Minute)
		m.begin("other").close()
		synctest.Wait()
		if len(m.server.tenants) != 1 {
			t.Errorf("left behind %v", m.server.tenants)
		}
	})
}

// TestReconnectLoop: who opens streams without end is slowed, and nobody else.
func TestReconnectLoop(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		t.Helper()
		m := newMesh(t, nil)
		m.admit("web", "other")
		for range tenantBurst {
			c := m.begin("web")
			if c.ended() != nil {
				t.Fatal(c.ended())
			}
			c.close()
		}
		hints := map[time.Duration]bool{}
		for range 8 {
			d := hint(t, m.begin("web"))
			if d < retryDelay || d > 2*retryDelay {
				t.Errorf("told to come again in %s", d)
			}
			hints[d] = true
		}
		if len(hints) < 2 {
			t.Error("all are told to come again at the same time")
		}
		if c := m.begin("other"); c.ended() != nil {
			t.Error(c.ended())
		}
		advance(time.Second)
		if c := m.begin("web"); c.ended() != nil {
			t.Error(c.ended())
		}
	})
}

// TestOpeningsArePaced: first exchanges take their share of the processor and no more; who would wait too long is told so.
func TestOpeningsArePaced(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		t.Helper()
		const perSecond = 4
		const patient = perSecond*int(openingWait/time.Second) + 1
		m := newMesh(t, func(c *Config) { c.Limits.OpeningWork = perSecond * openingCost })
		var workloads []string
		for i := range patient + 1 {
			workloads = append(workloads, fmt.Sprint("w", i))
		}
		m.admit(workloads...)
		var streams []*client
		for _, w := range workloads {
			streams = append(streams, m.begin(w))
		}
		served := func() int {
			n := 0
			for _, c := range streams {
				n += min(c.waiting(), 1)
			}
			return n
		}
		if n := served(); n != 1 {
			t.Errorf("%d are served at once", n)
		}
		if wait := hint(t, streams[patient]); wait < retryDelay {
			t.Errorf("who would wait for too long is told to come again in %s", wait)
		}
		advance(time.Second)
		if n := served(); n != 1+perSecond {
			t.Errorf("%d are served after a second", n)
		}
		advance(openingWait)
		if n := served(); n != patient {
			t.Errorf("%d of %d are served in the end", n, patient)
		}
	})
}

func TestNothingBeginsWhenMemoryIsShort(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		t.Helper()
		short := false
		m := newMesh(t, func(c *Config) { c.MemoryShort = func() bool { return short } })
		m.admit("web", "other")
		before := m.begin("web")
		short = true
		if wait := hint(t, m.begin("other")); wait < retryDelay {
			t.Errorf("told to come again in %s", wait)
		}
		if before.ended() != nil || !slices.Equal(m.observer.closed, []string{ReasonMemory}) {
			t.Errorf("the open stream: %v, counted %q", before.ended(), m.observer.closed)
		}
	})
}

// TestFloodIsReadSlowly: what answers nothing is read at a pace, what answers a response is not held up by the clock.
func TestFloodIsReadSlowly(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		t.Helper()
		m := newMesh(t, nil)
		m.admit("web", "other")
		flood, calm := m.begin("web"), m.begin("other")
		for i := range 3 * requestBurst {
			flood.send(&discovery.DeltaDiscoveryRequest{TypeUrl: "unknown", ResourceNamesSubscribe: []string{fmt.Sprint(i)}})
		}
		synctest.Wait()
		read := flood.waiting()
		if read > requestBurst+1 || read < requestBurst/2 {
			t.Errorf("%d answers at once", read)
		}
		calm.send(&discovery.DeltaDiscoveryRequest{TypeUrl: cache.Cluster.URL(), ResponseNonce: calm.next().GetNonce()})
		calm.send(&discovery.DeltaDiscoveryRequest{TypeUrl: cache.Listener.URL()})
		synctest.Wait()
		if calm.next() == nil {
			t.Error("another stream is held up")
		}
		advance(time.Second)
		if more := flood.waiting() - read; more < int(requestPace)/2 || more > int(requestPace)*3/2 {
			t.Errorf("%d answers in a second, want about %v", more, requestPace)
		}
	})
}

// TestBytesOfNames: many long names are too much, however few they are of each type.
func TestBytesOfNames(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		t.Helper()
		m := newMesh(t, func(c *Config) { c.Limits.StreamBytes = 10_000 })
		m.admit("web")
		names := make([]string, 6)
		for i := range names {
			names[i] = strings.Repeat(fmt.Sprint(i), 1000)
		}
		c := m.begin("web")
		c.send(&discovery.DeltaDiscoveryRequest{TypeUrl: cache.Endpoints.URL(), ResourceNamesSubscribe: names})
		c.send(&discovery.DeltaDiscoveryRequest{TypeUrl: cache.Endpoints.URL(), ResourceNamesUnsubscribe: names})
		c.send(&discovery.DeltaDiscoveryRequest{TypeUrl: cache.Route.URL(), ResourceNamesSubscribe: names})
		synctest.Wait()
		if c.ended() != nil {
			t.Fatal(c.ended())
		}
		c.send(&discovery.DeltaDiscoveryRequest{TypeUrl: cache.Endpoints.URL(), ResourceNamesSubscribe: names})
		synctest.Wait()
		if got := status.Code(c.ended()); got != codes.ResourceExhausted {
			t.Errorf("the stream ended with %v", c.ended())
		}
	})
}
