package server

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"pgregory.net/rapid"

	"outrigger.dev/outrigger/xds/cache"
)

// TestAnySotwClient publishes at random and answers at random, as gRPC does: each resource of a response is taken or
// refused by itself, and the response is refused when one was. The client subscribes, gives names up, is
// slow, goes away and comes back. Every response keeps the rules in check, and at rest the client has what its
// view holds but for what it refused; a client that then comes back hears nothing.
func TestAnySotwClient(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newSotwWorld(rt)
		rt.Repeat(map[string]func(*rapid.T){
			"publish":   w.publish,
			"answer":    w.answer,
			"subscribe": w.subscribe,
			"advance":   w.advance,
			"reconnect": func(*rapid.T) { w.open() },
		})
		w.rest()
	})
}

// sotwWorld is a store, one session and the client at its other end.
type sotwWorld struct {
	rt      *rapid.T
	now     time.Time
	store   *cache.Store
	sub     *cache.Subscription
	session *sotwSession
	shared  *settings
	types   map[cache.Type]*sotwSide
}

// sotwSide is the client's side of one type.
type sotwSide struct {
	typ       cache.Type
	requested bool
	names     map[string]bool
	version   string
	nonce     string
	inbox     *discovery.DiscoveryResponse
	// gaveUp says that its version is not what it has: it gave up something, or took a part of what it refused, and has
	// not acknowledged anything since.
	gaveUp bool
	// pendingDrop says that the response which is answered was made before the client gave up something.
	pendingDrop bool
	// has is what the client took, by name; told what it was sent since it wants the name on this stream.
	has, told map[string]string
	refused   map[string]bool // "name@version"
}

func (c *sotwSide) whole() bool { return c.typ == cache.Cluster || c.typ == cache.Listener }

func newSotwWorld(rt *rapid.T) *sotwWorld {
	w := &sotwWorld{rt: rt, now: time.Unix(1e9, 0), store: cache.NewStore(), shared: newSotwSettings(noObserver{}), types: map[cache.Type]*sotwSide{}}
	w.shared.limits.ResponseMembers = rapid.SampledFrom([]int{2, 100}).Draw(rt, "members")
	w.store.Publish(cache.Publication{Nodes: map[string]*cache.ViewSpec{"n": {Layers: []cache.LayerID{"mesh"}, Scope: cache.All}}})
	for _, typ := range sotwOrder {
		w.types[typ] = &sotwSide{typ: typ, names: map[string]bool{}, has: map[string]string{}}
	}
	w.open()
	return w
}

// open begins a stream: gRPC sends, for each type that it has names of, these and the version.
func (w *sotwWorld) open() {
	w.rt.Logf("open")
	sub, err := w.store.Subscribe("n", nil)
	if err != nil {
		w.rt.Fatal(err)
	}
	if w.sub != nil {
		w.sub.Close()
	}
	w.sub = sub
	snapshot, _ := sub.Current()
	w.session = newSotwSession(w.shared, Peer{Node: "n"}, snapshot, rand.NewPCG(1, 2))
	for _, typ := range sotwOrder {
		c := w.types[typ]
		c.requested, c.nonce, c.inbox = false, "", nil
		c.told, c.refused = map[string]string{}, map[string]bool{}
		if c.gaveUp {
			// A version that counts what the client has no more would be answered by silence: see sotwSession.
			c.version, c.gaveUp = "another", false
		}
		if len(c.names) > 0 {
			w.request(c, false)
		}
	}
}

func (w *sotwWorld) request(c *sotwSide, refuse bool) {
	c.requested = true
	names := slices.Sorted(maps.Keys(c.names))
	w.rt.Logf("%s > %s %v version %q nonce %q refused %t", w.now.Format("04:05"), c.typ, names, c.version, c.nonce, refuse)
	r := &request{typ: c.typ, known: true, subscribe: names, nonce: nonceOf(c.nonce), refused: refuse}
	if c.version != "" {
		r.versions = []held{{version: c.version}}
	}
	if err := lend(r, func(r *request) error { return w.session.onRequest(w.now, r) }); err != nil {
		w.rt.Fatal(err)
	}
	w.drain()
}

func (w *sotwWorld) drain() {
	for _, r := range w.session.take() {
		w.check(w.types[r.push.Type], decodeSotw(r))
	}
}

// check holds a response against the rules.
func (w *sotwWorld) check(c *sotwSide, r *discovery.DiscoveryResponse) {
	members := describeSotw(r)
	w.rt.Logf("%s < %s %v version %s", w.now.Format("04:05"), c.typ, members, r.VersionInfo)
	if !c.requested || c.inbox != nil {
		w.rt.Fatalf("%s was not asked for, or is in flight twice", c.typ)
	}
	c.inbox = r
	in := map[string]string{}
	for _, m := range members {
		name, version, _ := strings.Cut(m, "@")
		if _, twice := in[name]; twice || !c.names[name] {
			w.rt.Fatalf("%s is there twice or not wanted", m)
		}
		in[name] = version
	}
	for name, version := range in {
		if !c.whole() && (c.told[name] == version || c.refused[name+"@"+version]) {
			w.rt.Fatalf("%s@%s is sent twice, or was refused", name, version)
		}
		c.told[name] = version
	}
	if c.whole() {
		w.checkWhole(c, in)
	}
}

// checkWhole: nothing that the view holds and the client wants is left out, but for what it refused.
func (w *sotwWorld) checkWhole(c *sotwSide, in map[string]string) {
	for name := range c.names {
		res := w.session.latest.Get(c.typ, name)
		if _, ok := in[name]; !ok && res != nil && !c.refused[name+"@"+res.Version()] {
			w.rt.Fatalf("%s %s is left out, and so deleted", c.typ, name)
		}
		if _, ok := in[name]; !ok {
			delete(c.told, name)
		}
	}
}

// answer takes each resource of a response or refuses it, as gRPC does.
func (w *sotwWorld) answer(rt *rapid.T) {
	c := w.types[rapid.SampledFrom(sotwOrder[:]).Draw(rt, "type")]
	if c.inbox == nil {
		return
	}
	w.reply(c)
}

func (w *sotwWorld) reply(c *sotwSide) {
	bad := false
	in := map[string]bool{}
	for _, m := range describeSotw(c.inbox) {
		name, version, _ := strings.Cut(m, "@")
		in[name] = true
		if strings.HasSuffix(version, "bad") {
			bad = true
			// Of several that were refused together, one may be tried again once it was something else between.
			c.refused[m] = c.whole() || len(c.inbox.Resources) == 1
			continue
		}
		c.has[name] = version
	}
	if c.whole() {
		maps.DeleteFunc(c.has, func(name, _ string) bool { return !in[name] })
	}
	c.nonce = c.inbox.Nonce
	if c.gaveUp = bad || c.gaveUp && c.pendingDrop; !bad {
		c.version = c.inbox.VersionInfo
	}
	c.pendingDrop = false
	c.inbox = nil
	w.request(c, bad)
}

// subscribe changes what the client wants.
func (w *sotwWorld) subscribe(rt *rapid.T) {
	c := w.types[rapid.SampledFrom(sotwOrder[:]).Draw(rt, "type")]
	name := fmt.Sprint("s", rapid.IntRange(0, 4).Draw(rt, "name"))
	if c.names[name] {
		c.gaveUp = c.gaveUp || c.has[name] != "" || c.inbox != nil
		delete(c.names, name)
		delete(c.has, name)
	} else {
		c.names[name] = true
	}
	if c.inbox != nil {
		// The nonce is stale: the server ignores it, and hears the names with the answer.
		w.request(c, false)
		w.forget(c, name)
		c.pendingDrop = c.gaveUp
		w.reply(c)
		return
	}
	if len(c.names) == 0 && !c.requested {
		return
	}
	w.forget(c, name)
	w.request(c, false)
}

// forget drops what the test knows of a name whose subscription changed.
func (w *sotwWorld) forget(c *sotwSide, name string) {
	delete(c.told, name)
	maps.DeleteFunc(c.refused, func(m string, _ bool) bool { return strings.HasPrefix(m, name+"@") })
}

func (w *sotwWorld) publish(rt *rapid.T) {
	var p cache.Publication
	for range rapid.IntRange(1, 4).Draw(rt, "changes") {
		ref := cache.Ref{
			Type: rapid.SampledFrom(sotwOrder[:]).Draw(rt, "type"),
			Name: fmt.Sprint("s", rapid.IntRange(0, 4).Draw(rt, "name")),
		}
		change := cache.Change{Layer: "mesh", Ref: ref}
		if rapid.IntRange(0, 3).Draw(rt, "remove") > 0 {
			version := fmt.Sprint(rapid.IntRange(1, 4).Draw(rt, "version"))
			if rapid.IntRange(0, 4).Draw(rt, "bad") == 0 {
				version += "bad"
			}
			change.Resource = cache.NewResource(cache.ResourceConfig{
				Type: ref.Type, Name: ref.Name, Version: version, Body: fmt.Appendf(nil, "%s %s %s", ref.Type, ref.Name, version),
			})
		}
		w.rt.Logf("publish %s %s %v", ref.Type, ref.Name, change.Resource)
		p.Changes = append(p.Changes, change)
	}
	w.store.Publish(p)
	snapshot, _ := w.sub.Current()
	w.session.onSnapshot(w.now, snapshot)
	w.drain()
}

func (w *sotwWorld) advance(rt *rapid.T) {
	w.wait(time.Duration(rapid.IntRange(1, 20_000).Draw(rt, "ms")) * time.Millisecond)
}

// wait calls the timer when it is due, and answers everything before the server loses its patience.
func (w *sotwWorld) wait(d time.Duration) {
	for end := w.now.Add(d); ; {
		next := w.session.deadline(w.now)
		if next.IsZero() || next.After(end) {
			w.now = end
			return
		}
		w.now = next
		if err := w.session.onTimer(w.now); err != nil {
			w.rt.Fatal(err)
		}
		w.drain()
	}
}

// rest lets everything come to an end.
func (w *sotwWorld) rest() {
	w.calm()
	w.wait(time.Minute)
	w.calm()
	if w.session.settledAt() != w.session.latest.Rev() {
		w.rt.Fatalf("settled %d of %d", w.session.settledAt(), w.session.latest.Rev())
	}
	clean := true
	for _, typ := range sotwOrder {
		clean = w.compare(w.types[typ]) && clean
	}
	if !clean {
		return // Where something was refused, or is kept although it has gone, a new stream tries anew.
	}
	w.open()
	for _, typ := range sotwOrder {
		if c := w.types[typ]; c.inbox != nil {
			w.rt.Fatalf("%s is sent to a client that has it", typ)
		}
	}
}

// calm answers until nothing is left to answer.
func (w *sotwWorld) calm() {
	for range 100 {
		answered := false
		for _, typ := range sotwOrder {
			if c := w.types[typ]; c.inbox != nil {
				w.reply(c)
				answered = true
			}
		}
		if !answered {
			return
		}
	}
	w.rt.Fatal("responses without end")
}

// compare reports whether a client that comes back with its version has nothing to hear.
func (w *sotwWorld) compare(c *sotwSide) (clean bool) {
	clean = true
	have := map[string]string{}
	for name := range c.names {
		res := w.session.latest.Get(c.typ, name)
		switch {
		case res == nil && !c.whole():
			clean = clean && c.has[name] == "" // gRPC keeps what cannot be removed.
		case res == nil:
			if c.has[name] != "" {
				w.rt.Fatalf("%s %s has gone, the client has %s", c.typ, name, c.has[name])
			}
		case strings.HasSuffix(res.Version(), "bad"):
			clean = false
		case c.has[name] != res.Version():
			w.rt.Fatalf("%s %s is %s, the client has %q", c.typ, name, res.Version(), c.has[name])
		default:
			have[name] = res.Version()
		}
	}
	return clean && !c.gaveUp && w.lastIs(c)
}

// lastIs reports whether the version that the client would come back with is of what it has: names that it gave up
// since are part of it otherwise.
func (w *sotwWorld) lastIs(c *sotwSide) bool {
	return len(c.names) == 0 || c.version == stateOf(w.session.types[c.typ].wanted(w.session.latest))
}
