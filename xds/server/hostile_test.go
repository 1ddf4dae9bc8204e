package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"

	"outrigger.dev/outrigger/xds/cache"
)

// TestGuessedNonces: a client that answers what it has not read, with the nonces that would follow if they were
// counted, does not stop its stream's goroutine: it is closed in time, and others and the drain do not wait for it.
func TestGuessedNonces(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		t.Helper()
		m := newMesh(t, func(c *Config) { c.Limits.Opening = 1 })
		big := cache.NewResource(cache.ResourceConfig{Type: cache.Cluster, Name: "big", Body: make([]byte, 20<<10)})
		m.publishWeb(big)
		c := m.rawDial()
		if err := c.open("token-of-web"); err != nil {
			t.Fatal(err)
		}
		ask := &discovery.DeltaDiscoveryRequest{
			TypeUrl: cache.Cluster.URL(), ResourceNamesSubscribe: []string{"big"}, Node: envoyNode("shop/web", "shop/web"),
		}
		c.send(ask)
		synctest.Wait()
		read := c.received()
		if len(read) != 1 {
			t.Fatalf("%d responses", len(read))
		}
		n, err := strconv.ParseUint(read[0].Nonce, 36, 64)
		if err != nil {
			t.Fatal(err)
		}
		ask.Node = nil
		for i := range uint64(20) {
			ask.ResponseNonce = strconv.FormatUint(n+i, 36)
			c.send(ask)
			synctest.Wait()
		}
		honest := m.connect("web", "token-of-web")
		honest.send(&discovery.DeltaDiscoveryRequest{TypeUrl: cache.Cluster.URL()})
		advance(openingHold)
		if honest.next() == nil {
			t.Errorf("the next stream is not served: %v", honest.ended())
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if infos := m.server.Streams(ctx); len(infos) != 2 {
			t.Errorf("%d of 2 streams say how they are", len(infos))
		}
		honest.close()
		ctx, cancel = context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_ = m.server.Drain(ctx)
		if len(m.server.open()) != 0 {
			t.Errorf("%d streams are open after the drain", len(m.server.open()))
		}
	})
}

// TestUnreadResponses: a client that answers only what it was sent, but opens no window, is closed as slow.
func TestUnreadResponses(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		t.Helper()
		m := newMesh(t, nil)
		m.publishWeb(cache.NewResource(cache.ResourceConfig{Type: cache.Cluster, Name: "big", Body: make([]byte, 20<<10)}))
		c := m.rawDial()
		if err := c.open("token-of-web"); err != nil {
			t.Fatal(err)
		}
		ask := &discovery.DeltaDiscoveryRequest{
			TypeUrl: cache.Cluster.URL(), ResourceNamesSubscribe: []string{"big"}, Node: envoyNode("shop/web", "shop/web"),
		}
		for answered := 0; ; answered++ {
			c.send(ask)
			synctest.Wait()
			read := c.received()
			if len(read) == answered {
				break
			}
			ask = &discovery.DeltaDiscoveryRequest{
				TypeUrl: cache.Cluster.URL(), ResourceNamesSubscribe: []string{"big"}, ResponseNonce: read[answered].Nonce,
			}
		}
		advance(21 * time.Second)
		if !slices.Equal(m.observer.closed, []string{ReasonSlow}) {
			t.Errorf("closed %q", m.observer.closed)
		}
	})
}

// TestNonceIsLast: whoever has the nonce has read the whole message, which is the stock one but for that.
func TestNonceIsLast(t *testing.T) {
	res := cache.NewResource(cache.ResourceConfig{Type: cache.Cluster, Name: "a", Version: "1", Body: []byte("body")})
	r := &response{members: members{entries: []entry{{name: "a", res: res}, {name: "b"}}}, push: Push{Resources: 1, Bytes: len(res.Chunk())}}
	r.frame(newHeads("outrigger").typed[cache.Cluster], nonceOf("nonce"), 7, []string{"b"})
	wire := bytes.Join(r.chunks(nil), nil)
	if want := appendString(nil, responseNonce, "nonce"); !bytes.HasSuffix(wire, want) || bytes.Count(wire, want) != 1 {
		t.Errorf("the nonce is not last in %q", wire)
	}
	if r.push.Bytes != len(wire) {
		t.Errorf("%d bytes are said to be %d", len(wire), r.push.Bytes)
	}
	var got discovery.DeltaDiscoveryResponse
	if err := proto.Unmarshal(wire, &got); err != nil {
		t.Fatal(err)
	}
	again, err := proto.Marshal(&got)
	if err != nil {
		t.Fatal(err)
	}
	if got.Nonce != "nonce" || got.SystemVersionInfo != "7" || got.ControlPlane.GetIdentifier() != "outrigger" ||
		got.TypeUrl != cache.Cluster.URL() || !slices.Equal(got.RemovedResources, []string{"b"}) ||
		len(got.Resources) != 1 || got.Resources[0].Name != "a" || len(again) != len(wire) {
		t.Errorf("got %v", &got)
	}
}

// TestManySecrets: names beyond a few are answered as missing, without asking for each.
func TestManySecrets(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		t.Helper()
		m := newMesh(t, nil)
		m.publishWeb()
		names := make([]string, 20_000)
		for i := range names {
			names[i] = fmt.Sprintf("secret-%06d", i)
		}
		c := m.connect("web", "token-of-web")
		c.send(&discovery.DeltaDiscoveryRequest{TypeUrl: cache.Secret.URL(), ResourceNamesSubscribe: names})
		missing := map[string]bool{}
		for len(missing) < len(names) {
			synctest.Wait()
			r := c.next()
			if r == nil {
				t.Fatalf("%d of %d names are answered: %v", len(missing), len(names), c.ended())
			}
			for _, name := range r.RemovedResources {
				missing[name] = true
			}
			c.send(&discovery.DeltaDiscoveryRequest{TypeUrl: cache.Secret.URL(), ResponseNonce: r.Nonce})
		}
		if m.vault.asks() != maxSecrets {
			t.Errorf("asked for %d secrets", m.vault.asks())
		}
	})
}

// TestSecretAskedAgain: who gives a secret up and asks again does not get it sooner, and does not use up names.
func TestSecretAskedAgain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		t.Helper()
		m := newMesh(t, nil)
		m.publishWeb()
		m.vault.put("identity", "1", 0)
		c := m.connect("web", "token-of-web")
		request := func(add, remove string) {
			c.send(&discovery.DeltaDiscoveryRequest{
				TypeUrl: cache.Secret.URL(), ResourceNamesSubscribe: []string{add}, ResourceNamesUnsubscribe: []string{remove},
			})
			synctest.Wait()
		}
		for range 50 {
			request("identity", "identity")
		}
		if m.vault.asks() != 1 {
			t.Errorf("asked %d times in one second", m.vault.asks())
		}
		advance(secretPause)
		if m.vault.asks() != 2 {
			t.Errorf("asked %d times in two seconds", m.vault.asks())
		}
		for i := range 2 * maxSecrets {
			request(fmt.Sprint(i), fmt.Sprint(i-1))
			advance(2 * secretPause)
		}
		if want := 2 + 2*maxSecrets; m.vault.asks() != want {
			t.Errorf("asked %d times, want %d", m.vault.asks(), want)
		}
	})
}

// TestRefusalsWithoutEnd: every refusal is counted, but a client cannot fill the log.
func TestRefusalsWithoutEnd(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		t.Helper()
		m := newMesh(t, nil)
		m.publishWeb()
		c := m.connect("web", "token-of-web")
		for range 2 {
			for i := range 1000 {
				c.send(&discovery.DeltaDiscoveryRequest{
					TypeUrl: cache.Cluster.URL(), ResponseNonce: fmt.Sprint("x", i), ErrorDetail: &rpcstatus.Status{Message: "\x1b[2Jboo\n"},
				})
			}
			advance(nackWindow)
		}
		if lines := strings.Count(m.logs.String(), "\n"); lines != 2*nackLines {
			t.Errorf("%d lines were logged", lines)
		}
		if len(m.observer.nacks) != 2000 {
			t.Errorf("counted %d", len(m.observer.nacks))
		}
		if want := "[2Jboo"; m.observer.nacks[0].Error != want || strings.Contains(m.logs.String(), `\x1b`) {
			t.Errorf("told %q, want %q", m.observer.nacks[0].Error, want)
		}
	})
}

// TestShown: what operators see holds nothing that a terminal obeys.
func TestShown(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                          "plain",
		"trailing\n\n":                   "trailing",
		"two\nlines\tand\ta tab":         "two lines and a tab",
		"\x1b[31mred\x1b[0m":             "[31mred[0m",
		"bell\a, null\x00, back\b":       "bell, null, back",
		"\u009b2J and \u202edrawkcab":    "2J and drawkcab",
		"no break\u00a0space, caf\u00e9": "no break space, caf\u00e9",
	} {
		var got string
		if err := shown(&got, []byte(in)); err != nil || got != want {
			t.Errorf("%q shows as %q, want %q: %v", in, got, want, err)
		}
	}
	var r request
	n := &discovery.DeltaDiscoveryRequest{Node: envoyNode("a", "b")}
	n.Node.UserAgentName = "\x1b]0;title\aenvoy"
	b, err := proto.Marshal(n)
	if err != nil {
		t.Fatal(err)
	}
	r.first = true
	if err := r.decode(b); err != nil || r.node.agent != "]0;titleenvoy/1.40.0" {
		t.Errorf("agent %q: %v", r.node.agent, err)
	}
}

// TestDrainEndsWaiting: a stream that waits for its first exchange ends with the drain.
func TestDrainEndsWaiting(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		t.Helper()
		m := newMesh(t, func(c *Config) { c.Limits.Opening = 1 })
		m.publishWeb()
		for range 2 {
			c := m.connect("web", "token-of-web")
			c.send(&discovery.DeltaDiscoveryRequest{TypeUrl: cache.Cluster.URL()})
			synctest.Wait()
		}
		ctx, cancel := context.WithCancel(context.Background())
		over := make(chan error, 1)
		go func() { over <- m.server.Drain(ctx) }()
		synctest.Wait()
		if !slices.Equal(m.observer.closed, []string{ReasonDrained}) || len(m.server.open()) != 1 {
			t.Errorf("closed %q", m.observer.closed)
		}
		cancel()
		if err := <-over; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// TestInquiries: an answer that is there counts although time is up, and questions do not pile up on a stream
// that does not come to answer.
func TestInquiries(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		t.Helper()
		m := newMesh(t, nil)
		m.publishWeb()
		stuck := make(chan struct{})
		serveFakeRequest(t, m, func([]*response) bool { <-stuck; return true })
		st := m.server.open()[0]
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		for range 100 {
			if infos := m.server.Streams(ctx); len(infos) != 0 {
				t.Fatalf("a stuck stream says %v", infos)
			}
		}
		st.mailbox.mu.Lock()
		if letters := len(st.mailbox.mail); letters > 2 || len(st.inquiries.waiting) != 0 {
			t.Errorf("%d letters, %d who wait", letters, len(st.inquiries.waiting))
		}
		st.mailbox.mu.Unlock()
		first, second := st.ask(), st.ask()
		close(stuck)
		synctest.Wait()
		for _, from := range []reply{first, second} {
			if info, ok := st.answer(ctx, from); !ok || info.Peer.Node != "shop/web" {
				t.Errorf("got %v, %t", info, ok)
			}
		}
	})
}

// serveFakeRequest runs a stream that has asked for clusters and writes its responses by write.
func serveFakeRequest(t *testing.T, m *mesh, write func([]*response) bool) {
	t.Helper()
	f := serveFake(t, m, write)
	go f.say(&request{node: webNode(), typ: cache.Cluster, known: true})
	synctest.Wait()
}
