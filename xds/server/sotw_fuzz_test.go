package server

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"

	"outrigger.dev/outrigger/xds/cache"
)

// FuzzSotwRequest holds the hand-written decoder against the stock one.
func FuzzSotwRequest(f *testing.F) {
	for _, r := range []*discovery.DiscoveryRequest{
		{TypeUrl: cache.Cluster.URL(), Node: envoyNode("shop/web", "shop/web")},
		{
			TypeUrl: "unknown", ResourceNames: []string{"a", "b", ""}, VersionInfo: "1", ResponseNonce: "n",
			ErrorDetail: &rpcstatus.Status{Code: 3, Message: "bad"},
		},
	} {
		b, err := proto.Marshal(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var stock discovery.DiscoveryRequest
		stockErr := proto.Unmarshal(b, &stock)
		ours := request{first: true}
		err := (*sotwRequest)(&ours).decode(bytes.Clone(b))
		if stockErr != nil {
			return // We may be more lenient in what we skip, but must not fall over.
		}
		if err != nil {
			t.Fatalf("the stock decoder takes what ours does not: %v", err)
		}
		compareSotwRequests(t, &ours, &stock)
	})
}

func compareSotwRequests(t *testing.T, ours *request, stock *discovery.DiscoveryRequest) {
	t.Helper()
	url := ours.url
	if ours.known {
		url = ours.typ.URL()
	}
	var problem string
	if err := shown(&problem, clip([]byte(stock.GetErrorDetail().GetMessage()), maxProblem)); err != nil {
		t.Fatal(err)
	}
	if url != stock.TypeUrl || ours.nonce != nonceOf(stock.ResponseNonce) || ours.stateVersion() != stock.VersionInfo ||
		!slices.Equal(ours.subscribe, stock.ResourceNames) || ours.refused != (stock.ErrorDetail != nil) || ours.problem != problem {
		t.Fatalf("got %+v, want %v", ours, stock)
	}
	if (ours.node != nil) != (stock.Node != nil) {
		t.Fatalf("node %v, want %v", ours.node, stock.Node)
	}
	if ours.node != nil && (ours.node.id != stock.Node.Id || ours.node.cluster != stock.Node.Cluster) {
		t.Fatalf("node %v, want %v", ours.node, stock.Node)
	}
}

// FuzzSotwStream plays any order of messages, publications and moments: nothing falls over, no event makes more than a
// response for each type, one is in flight for each, and no deadline comes again and again.
func FuzzSotwStream(f *testing.F) {
	fuzzSteps(f, func(t *testing.T) func(what, how byte) bool {
		t.Helper()
		return newSotwPlay(t).step
	})
}

// sotwPlay is a session without a sensible client.
type sotwPlay struct {
	t       *testing.T
	now     time.Time
	store   *cache.Store
	sub     *cache.Subscription
	session *sotwSession
	nonces  [cache.NumTypes]nonce
	open    [cache.NumTypes]bool // a response is not answered
}

func newSotwPlay(t *testing.T) *sotwPlay {
	t.Helper()
	p := &sotwPlay{t: t, now: time.Unix(1e9, 0), store: cache.NewStore()}
	p.store.Publish(cache.Publication{Nodes: map[string]*cache.ViewSpec{"n": {Layers: []cache.LayerID{"mesh"}, Scope: cache.All}}})
	sub, err := p.store.Subscribe("n", nil)
	if err != nil {
		t.Fatal(err)
	}
	snapshot, _ := sub.Current()
	p.sub, p.session = sub, newSotwSession(newSotwSettings(noObserver{}), Peer{Node: "n"}, snapshot, rand.NewPCG(1, 2))
	return p
}

// step does what two bytes say, and reports whether the stream goes on.
func (p *sotwPlay) step(what, how byte) bool {
	typ := sotwOrder[how&3]
	var err error
	switch what & 7 {
	case 0, 1:
		p.publish(typ, how>>2&3, how>>4)
	case 2:
		p.now = p.now.Add(time.Duration(how) * 200 * time.Millisecond)
		err = p.session.onTimer(p.now)
	case 3:
		p.session.synced = false
	case 4:
		p.session.onSynced(p.now)
	default:
		err = p.request(typ, what>>3, how>>2)
	}
	p.drain()
	p.wait()
	return err == nil
}

// request asks for some of four names, with the right nonce, a wrong one or none, and answers or refuses by it.
func (p *sotwPlay) request(typ cache.Type, names, how byte) error {
	r := &request{typ: typ, known: true, refused: how&4 != 0}
	for i := range byte(5) {
		if names&(1<<i) != 0 {
			r.subscribe = append(r.subscribe, []string{"0", "1", "2", "3", "*"}[i])
		}
	}
	switch how & 3 {
	case 0, 1:
		r.nonce = p.nonces[typ]
		p.open[typ] = false
	case 2:
		r.nonce = nonceOf("guess")
	}
	if how&8 != 0 {
		r.versions = []held{{version: stateOf(p.session.types[typ].wanted(p.session.latest))}}
	}
	return lend(r, func(r *request) error { return p.session.onRequest(p.now, r) })
}

func (p *sotwPlay) publish(typ cache.Type, name, version byte) {
	change := cache.Change{Layer: "mesh", Ref: cache.Ref{Type: typ, Name: fmt.Sprint(name)}}
	if version > 2 {
		change.Resource = cache.NewResource(cache.ResourceConfig{Type: typ, Name: change.Ref.Name, Body: []byte{version}})
	}
	p.store.Publish(cache.Publication{Changes: []cache.Change{change}})
	snapshot, _ := p.sub.Current()
	p.session.onSnapshot(p.now, snapshot)
}

func (p *sotwPlay) drain() {
	var seen [cache.NumTypes]bool
	for _, r := range p.session.take() {
		typ := r.push.Type
		if seen[typ] || p.open[typ] {
			p.t.Fatalf("two responses of %s in flight", typ)
		}
		seen[typ], p.open[typ] = true, true
		p.nonces[typ] = nonceOf(decodeSotw(r).Nonce)
	}
}

// wait looks whether the timer, called at its deadlines, comes to an end.
func (p *sotwPlay) wait() {
	at := p.now
	for range 100 {
		next := p.session.deadline(at)
		if next.IsZero() || next.After(at) {
			return
		}
		if err := p.session.onTimer(at); err != nil {
			return
		}
		p.drain()
	}
	p.t.Fatal("the deadline does not pass")
}
