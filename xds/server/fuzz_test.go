package server

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"

	"outrigger.dev/outrigger/xds/cache"
)

// FuzzRequest holds the hand-written decoder against the stock one.
func FuzzRequest(f *testing.F) {
	for _, r := range []*discovery.DeltaDiscoveryRequest{
		{TypeUrl: cache.Cluster.URL(), Node: envoyNode("shop/web", "shop/web")},
		{
			TypeUrl: "unknown", ResourceNamesSubscribe: []string{"a", "b", ""}, ResourceNamesUnsubscribe: []string{"c"},
			InitialResourceVersions: map[string]string{"a": "1", "b": ""}, ResponseNonce: "n",
			ErrorDetail: &rpcstatus.Status{Code: 3, Message: "bad"},
		},
	} {
		b, err := proto.Marshal(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte("\x2a\x02\x0a\x05"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var stock discovery.DeltaDiscoveryRequest
		stockErr := proto.Unmarshal(b, &stock)
		ours := request{first: true}
		message := bytes.Clone(b)
		ours.malformed = ours.decode(message)
		clear(message) // It keeps none of the bytes.
		if stockErr != nil {
			return // We may be more lenient in what we skip, but must not fall over.
		}
		if ours.malformed != nil {
			t.Fatalf("the stock decoder takes what ours does not: %v", ours.malformed)
		}
		compareRequests(t, &ours, &stock)
	})
}

func compareRequests(t *testing.T, ours *request, stock *discovery.DeltaDiscoveryRequest) {
	t.Helper()
	url := ours.url
	if ours.known {
		url = ours.typ.URL()
	}
	versions := map[string]string{}
	for _, h := range ours.versions {
		versions[h.name] = h.version
	}
	back := &discovery.DeltaDiscoveryRequest{
		TypeUrl: url, InitialResourceVersions: versions,
		ResourceNamesSubscribe: ours.subscribe, ResourceNamesUnsubscribe: ours.unsubscribe,
	}
	if ours.refused {
		back.ErrorDetail = &rpcstatus.Status{Message: ours.problem}
	}
	want := &discovery.DeltaDiscoveryRequest{
		TypeUrl: stock.TypeUrl, InitialResourceVersions: stock.InitialResourceVersions,
		ResourceNamesSubscribe: stock.ResourceNamesSubscribe, ResourceNamesUnsubscribe: stock.ResourceNamesUnsubscribe,
	}
	if stock.ErrorDetail != nil {
		var problem string
		if err := shown(&problem, clip([]byte(stock.ErrorDetail.Message), maxProblem)); err != nil {
			t.Fatal(err)
		}
		want.ErrorDetail = &rpcstatus.Status{Message: problem}
	}
	if !proto.Equal(back, want) {
		t.Fatalf("got %v, want %v", back, want)
	}
	compareNonces(t, ours.nonce, stock.ResponseNonce)
	if (ours.node != nil) != (stock.Node != nil) {
		t.Fatalf("node %v, want %v", ours.node, stock.Node)
	}
	if ours.node != nil && (ours.node.id != stock.Node.Id || ours.node.cluster != stock.Node.Cluster) {
		t.Fatalf("node %v, want %v", ours.node, stock.Node)
	}
}

// compareNonces: of a nonce that is longer than ours are, only that is known.
func compareNonces(t *testing.T, ours nonce, stock string) {
	t.Helper()
	if len(stock) > nonceBytes {
		if ours != foreign {
			t.Fatalf("nonce %q, want a foreign one", ours.bytes())
		}
		return
	}
	if string(ours.bytes()) != stock {
		t.Fatalf("nonce %q, want %q", ours.bytes(), stock)
	}
}

// FuzzStream plays any order of messages, publications and moments: nothing falls over, and what is
// sent keeps the rules that hold whatever the client does.
func FuzzStream(f *testing.F) {
	fuzzSteps(f, func(t *testing.T) func(what, how byte) bool {
		t.Helper()
		return newPlay(t).step
	})
}

// fuzzSteps has a play take steps of two bytes each until one says that it is over.
func fuzzSteps(f *testing.F, begin func(*testing.T) func(what, how byte) bool) {
	f.Helper()
	f.Add([]byte("\x00\x01\x10\x11\x20\x42\x81\x92\x33"))
	f.Add([]byte{0x00, 0x03, 0x80, 0x90, 0x13, 0x70, 0x71, 0xf0, 0xe0, 0x04, 0x44, 0xb1, 0xc2, 0xd3})
	f.Fuzz(func(t *testing.T, steps []byte) {
		step := begin(t)
		for i := 0; i+1 < len(steps) && i < 400; i += 2 {
			if !step(steps[i], steps[i+1]) {
				return
			}
		}
	})
}

// play is a session without a sensible client.
type play struct {
	t       *testing.T
	now     time.Time
	store   *cache.Store
	sub     *cache.Subscription
	session *session
	nonces  [cache.NumTypes]nonce
	asked   [cache.NumTypes]bool
	version byte
}

func newPlay(t *testing.T) *play {
	t.Helper()
	p := &play{t: t, now: time.Unix(1e9, 0), store: cache.NewStore()}
	p.store.Publish(cache.Publication{Nodes: map[string]*cache.ViewSpec{"n": {Layers: []cache.LayerID{"mesh"}, Scope: cache.All}}})
	sub, err := p.store.Subscribe("n", nil)
	if err != nil {
		t.Fatal(err)
	}
	p.sub = sub
	snapshot, _ := sub.Current()
	p.session = newSession(&settings{
		timing: Timing{}.withDefaults(), limits: Limits{ResponseMembers: 2, NamesPerType: 5}.withDefaults(),
		observer: noObserver{}, heads: newHeads("fuzz"), refusals: newRefusals(), wholeFrom: 2,
	}, Peer{Node: "n"}, snapshot, rand.NewPCG(1, 2))
	return p
}

var fuzzNames = []string{"a", "b", "c", "*", "", "d", "e", "f"}

// step does what two bytes say, and reports whether the stream goes on.
func (p *play) step(what, with byte) bool {
	typ := cache.Type(what % byte(cache.NumTypes))
	name := fuzzNames[with%8]
	r := &request{typ: typ, known: true}
	switch what >> 4 {
	case 0:
		// A request that says nothing.
	case 1, 2:
		r.subscribe = []string{name, fuzzNames[with>>3%8]}
	case 3:
		r.unsubscribe = []string{name}
	case 4:
		r.subscribe, r.versions = []string{name}, []held{{name, string('0' + with>>4)}, {"gone", "1"}}
	case 5, 6:
		r.nonce = p.nonces[typ]
	case 7:
		r.nonce, r.refused, r.problem = p.nonces[typ], true, "bad"
	case 8:
		r.nonce, r.subscribe = p.nonces[typ], []string{name}
	case 9:
		*r = request{url: name, subscribe: []string{name}}
	case 10, 11, 12:
		p.publish(typ, name, with)
		return true
	case 13:
		p.now = p.now.Add(time.Duration(with) * 500 * time.Millisecond)
		return p.session.onTimer(p.now) == nil && p.sent()
	case 14:
		if _, have, ok := p.session.nextSecret(p.now); ok {
			p.session.onSecret(p.now, Secret{Version: have + "1", Body: Redact([]byte("body"))}, nil)
		}
		return p.sent()
	default:
		r.typ, r.nonce = typ, nonceOf("other")
	}
	if lend(r, func(r *request) error { return p.session.onRequest(p.now, r) }) != nil {
		return false
	}
	if r.known {
		p.asked[typ] = true
	}
	return p.sent()
}

func (p *play) publish(typ cache.Type, name string, with byte) {
	change := cache.Change{Layer: "mesh", Ref: cache.Ref{Type: typ, Name: name}}
	if with&0x80 == 0 && name != "" {
		p.version++
		change.Resource = cache.NewResource(cache.ResourceConfig{
			Type: typ, Name: name, Body: []byte{p.version}, Refs: []cache.Ref{{Type: cache.Type(with % byte(cache.NumTypes)), Name: "a"}},
		})
	}
	p.store.Publish(cache.Publication{Changes: []cache.Change{change}})
	snapshot, _ := p.sub.Current()
	p.session.onSnapshot(p.now, snapshot)
	p.sent()
}

// sent checks what the session made.
func (p *play) sent() bool {
	seen := map[cache.Type]bool{}
	for _, r := range p.session.take() {
		var message discovery.DeltaDiscoveryResponse
		if err := proto.Unmarshal(bytes.Join(r.chunks(nil), nil), &message); err != nil {
			p.t.Fatalf("a response cannot be read: %v", err)
		}
		typ := r.push.Type
		if int(typ) == cache.NumTypes {
			continue
		}
		names := map[string]bool{}
		for _, res := range message.Resources {
			if names[res.Name] || res.Resource.TypeUrl != message.TypeUrl {
				p.t.Fatalf("%s: %q twice, or of another type", typ, res.Name)
			}
			names[res.Name] = true
		}
		for _, name := range message.RemovedResources {
			if names[name] {
				p.t.Fatalf("%s: %q twice", typ, name)
			}
			names[name] = true
		}
		switch {
		case !p.asked[typ] && !p.session.requested.has(typ):
			p.t.Fatalf("%s was not asked for", typ)
		case seen[typ]:
			p.t.Fatalf("two responses of %s", typ)
		case p.session.types[typ].flight.nonce != nonceOf(message.Nonce):
			p.t.Fatalf("%s: nonce %q is not in flight", typ, message.Nonce)
		}
		seen[typ] = true
		p.nonces[typ] = nonceOf(message.Nonce)
	}
	if next := p.session.deadline(p.now); !next.IsZero() && !next.After(p.now) && p.session.onTimer(p.now) == nil {
		if again := p.session.deadline(p.now); !again.IsZero() && !again.After(p.now) && len(p.session.outbox) == 0 {
			p.t.Fatalf("the timer stands still at %v", again)
		}
	}
	if len(p.session.outbox) > 0 {
		return p.sent()
	}
	return true
}
