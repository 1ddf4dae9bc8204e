package server

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"outrigger.dev/outrigger/xds/cache"
)

// refuser is a client that has asked for everything, and refuses some of its responses, counted from 0.
type refuser struct {
	t       *testing.T
	client  *client
	refuses func(n int) bool
	n       int
	has     map[string]string // "type name" -> version
	sent    map[string]int    // how often a version was
}

var refuserHas = []string{
	"cluster a", "cluster b", "endpoints a", "endpoints b", "secret identity", "secret roots", "listener l", "listener m", "route l", "route m",
}

// TestRefusalAtEveryPoint: whichever response a client refuses, of whatever type, and be it all of them, its stream lives,
// it is not sent the same again without end, and has everything once everything is new.
func TestRefusalAtEveryPoint(t *testing.T) {
	const points = 12
	refusers := map[string]func(int) bool{"all": func(int) bool { return true }, "every other": func(n int) bool { return n%2 == 1 }}
	for at := range points {
		refusers[fmt.Sprint(at)] = func(n int) bool { return n == at }
		refusers[fmt.Sprint("from ", at)] = func(n int) bool { return n >= at }
	}
	for name, refuses := range refusers {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				t.Helper()
				m := newMesh(t, nil)
				m.publishAll("1")
				r := m.refuser(t, refuses)
				r.quiet()
				m.publishAll("2")
				r.quiet()
				if len(m.observer.nacks) == 0 {
					t.Error("nothing was refused")
				}
				r.refuses = func(int) bool { return false }
				m.publishAll("3")
				r.quiet()
				for _, what := range refuserHas {
					if r.has[what] != "3" {
						t.Errorf("%s is at %q", what, r.has[what])
					}
				}
				// Of a whole response that is refused every member is looked for among the others, in halves.
				for what, times := range r.sent {
					if times > 4 {
						t.Errorf("%s was sent %d times", what, times)
					}
				}
				if infos := m.server.Streams(t.Context()); len(infos) != 1 || infos[0].Lagging() {
					t.Errorf("the stream says %+v", infos)
				}
			})
		})
	}
}

// publishAll gives everything a version, secrets included.
func (m *mesh) publishAll(version string) {
	m.vault.put("identity", version, 0)
	m.vault.put("roots", version, 0)
	m.vault.change()
	m.store.Publish(parsePublication([]string{
		"view mesh",
		"cluster a " + version + " -> endpoints/a secret/identity secret/roots", "cluster b " + version + " -> endpoints/b",
		"endpoints a " + version, "endpoints b " + version,
		"listener l " + version + " -> route/l secret/identity", "listener m " + version + " -> route/m",
		"route l " + version + " -> cluster/a", "route m " + version + " -> cluster/b",
	}))
}

func (m *mesh) refuser(t *testing.T, refuses func(int) bool) *refuser {
	t.Helper()
	r := &refuser{t: t, client: m.connect("web", "token-of-web"), refuses: refuses, has: map[string]string{}, sent: map[string]int{}}
	for _, first := range []string{"cluster", "endpoints +a +b", "secret +identity +roots", "listener", "route +l +m"} {
		r.client.send(parseRequest(strings.Fields(first)))
	}
	return r
}

// quiet answers until a minute passes without a response.
func (r *refuser) quiet() {
	r.t.Helper()
	for idle := 0; idle < 60; idle++ {
		synctest.Wait()
		for response := r.client.next(); response != nil; response = r.client.next() {
			r.answer(response)
			idle = 0
			synctest.Wait()
		}
		advance(time.Second)
	}
	if err := r.client.ended(); err != nil {
		r.t.Fatalf("the stream ended: %v", err)
	}
}

func (r *refuser) answer(response *discovery.DeltaDiscoveryResponse) {
	answer := &discovery.DeltaDiscoveryRequest{TypeUrl: response.TypeUrl, ResponseNonce: response.Nonce}
	typ, _ := cache.TypeOf(response.TypeUrl)
	got := map[string]string{}
	for _, res := range response.Resources {
		what := typ.String() + " " + res.Name
		got[what] = res.Version
		r.sent[what+"@"+res.Version]++
	}
	if r.refuses(r.n) {
		answer.ErrorDetail = &rpcstatus.Status{Code: 3, Message: "no"}
	} else {
		maps.Copy(r.has, got)
	}
	r.n++
	r.client.send(answer)
}

// TestHalfAMessage: who never ends the first message is closed in time, also who sends it byte by byte; nobody waits for it
// for long.
func TestHalfAMessage(t *testing.T) {
	for name, bytes := range map[string]int{"silent": 0, "a byte a second": 200} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				t.Helper()
				m := newMesh(t, func(c *Config) { c.Limits.Opening = 1 })
				m.publishAll("1")
				c := m.rawDial()
				if err := c.open("token-of-web"); err != nil {
					t.Fatal(err)
				}
				begun := time.Now()
				c.sendPart([]byte("\x00\x00\x00\x01\x00half"))
				for range bytes {
					advance(time.Second)
					if m.observer.ended() != "" {
						break
					}
					c.sendPart([]byte("a"))
				}
				other := m.connect("web", "token-of-web")
				other.send(&discovery.DeltaDiscoveryRequest{TypeUrl: cache.Cluster.URL()})
				advance(openingHold)
				if other.next() == nil {
					t.Errorf("another stream waits: %v", other.ended())
				}
				advance(time.Minute)
				if reason := m.observer.ended(); reason != ReasonSilent {
					t.Errorf("after %s ended with %q", time.Since(begun), reason)
				}
			})
		})
	}
}

// sendPart sends a part of a message.
func (c *rawClient) sendPart(part []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.framer.WriteData(1, false, part); err != nil {
		c.tb.Logf("not sent: %v", err)
	}
}

// ended lists why streams ended.
func (r *records) ended() (reasons string) {
	r.with(func() { reasons = strings.Join(r.closed, ", ") })
	return reasons
}

// TestManyStreamsOfOneIdentity: of 1,000 that one workload opens few stay, the others are told when to come back, and no
// other workload notices.
func TestManyStreamsOfOneIdentity(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		t.Helper()
		m := newMesh(t, nil)
		m.store.Publish(cache.Publication{Nodes: map[string]*cache.ViewSpec{
			"shop/web": {Scope: cache.All}, "shop/other": {Layers: []cache.LayerID{"mesh"}, Scope: cache.All},
		}})
		other := m.connect("other", "token-of-other")
		other.send(&discovery.DeltaDiscoveryRequest{TypeUrl: cache.Endpoints.URL(), ResourceNamesSubscribe: []string{"a"}})
		synctest.Wait()
		r := other.next()
		if r == nil {
			t.Fatalf("the other stream: %v", other.ended())
		}
		other.send(&discovery.DeltaDiscoveryRequest{TypeUrl: cache.Endpoints.URL(), ResponseNonce: r.Nonce})
		open, begun := 0, time.Now()
		for i := range 1000 {
			c := m.connect("web", "token-of-web")
			c.send(&discovery.DeltaDiscoveryRequest{TypeUrl: cache.Cluster.URL()})
			synctest.Wait()
			if err := c.ended(); err == nil {
				open++
			} else if got := status.Convert(err); got.Code() != codes.Unavailable || len(got.Details()) != 1 {
				t.Fatalf("stream %d: %v, %v", i, got, got.Details())
			}
			if i%100 == 0 {
				m.store.Publish(parsePublication([]string{fmt.Sprint("endpoints a ", i+1)}))
				synctest.Wait()
				if r = other.next(); r == nil {
					t.Fatalf("the other stream is not told: %v", other.ended())
				}
				other.send(&discovery.DeltaDiscoveryRequest{TypeUrl: cache.Endpoints.URL(), ResponseNonce: r.Nonce})
			}
		}
		if may := tenantBurst + 1 + int(time.Since(begun).Seconds()); open > may || len(m.server.open()) > 5 {
			t.Errorf("%d were let in, not %d at most; %d are open", open, may, len(m.server.open()))
		}
	})
}
