package server

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"outrigger.dev/outrigger/xds/cache"
)

// TestAnyClient publishes at random and answers at random: it acknowledges,
// refuses bad contents, is slow, asks again, goes away and comes back with what
// it has. Whatever the order, the rules in check hold for every response, and
// at rest the client has what its view holds but for what it refused.
func TestAnyClient(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(rt)
		rt.Repeat(map[string]func(*rapid.T){
			"publish":     w.publish,
			"answer":      w.answer,
			"subscribe":   w.subscribe,
			"unsubscribe": w.unsubscribe,
			"advance":     w.advanceALittle,
			"reconnect":   w.reconnect,
			"view":        w.view,
		})
		w.rest()
	})
}

// world is a store, one session and the client at its other end.
type world struct {
	rt       *rapid.T
	now      time.Time
	store    *cache.Store
	sub      *cache.Subscription
	wakes    chan struct{}
	session  *session
	shared   *settings
	versions int
	// content is what was published, by layer.
	content map[cache.LayerID]map[cache.Ref]*cache.Resource
	layers  []cache.LayerID
	types   [cache.NumTypes]*clientType
	// last is when the client acknowledged that something which named a cluster changed or went.
	freed map[string]time.Time
	// sent counts the responses of the stream.
	sent int
	// warming are the assignments that the client waits for before it acknowledges the clusters that it has applied.
	warming map[string]warmed
	// slow says that this client warms clusters as Envoy does; others acknowledge at once.
	slow bool
}

// clientType is the client's side of one type, and what the test knows of the stream.
type clientType struct {
	typ       cache.Type
	requested bool
	wildcard  bool
	names     map[string]bool
	has       map[string]*cache.Resource // acknowledged
	inbox     *response                  // not answered yet
	inboxAt   time.Time
	inboxSeq  int               // the number of the response on the stream
	applied   bool              // what is in the inbox is applied, and only the acknowledgement is held back
	firstAt   time.Time         // when the first request was sent
	answer    map[string]string // to the first request: versions by name
	// told is what was sent and not refused, by name; "" for removed.
	told map[string]string
	// asked are names whose answer is due.
	asked map[string]bool
	// owed are names that may be told again: assignments whose cluster was sent after them, and what was asked for and
	// refused, of which the client may need what it has.
	owed map[string]bool
	// refused are contents that were refused standing alone.
	refused map[string]bool
	nacked  bool
}

var served = []cache.Type{cache.Cluster, cache.Endpoints, cache.Listener, cache.Route}

func newWorld(rt *rapid.T) *world {
	w := &world{
		rt: rt, now: time.Unix(1e9, 0), store: cache.NewStore(), layers: []cache.LayerID{"mesh"},
		content: map[cache.LayerID]map[cache.Ref]*cache.Resource{"mesh": {}, "web": {}}, freed: map[string]time.Time{},
		warming: map[string]warmed{}, slow: rapid.Bool().Draw(rt, "slow"),
		shared: &settings{
			timing: Timing{}.withDefaults(), observer: noObserver{}, heads: newHeads("test"), refusals: newRefusals(),
			limits:    Limits{ResponseMembers: rapid.SampledFrom([]int{3, 100}).Draw(rt, "members")}.withDefaults(),
			wholeFrom: rapid.SampledFrom([]int{1, 64}).Draw(rt, "wholeFrom"),
		},
	}
	w.store.Publish(cache.Publication{Nodes: w.node()})
	for _, typ := range served {
		w.types[typ] = &clientType{typ: typ, has: map[string]*cache.Resource{}}
	}
	w.open()
	return w
}

func (w *world) node() map[string]*cache.ViewSpec {
	return map[string]*cache.ViewSpec{"n": {Layers: w.layers, Scope: cache.All}}
}

// open begins a stream as Envoy does: every type that it has anything of at once, with what it has.
func (w *world) open() {
	w.wakes = make(chan struct{}, 1)
	sub, err := w.store.Subscribe("n", func() {
		select {
		case w.wakes <- struct{}{}:
		default:
		}
	})
	if err != nil {
		w.rt.Fatal(err)
	}
	w.sub = sub
	snapshot, _ := sub.Current()
	w.session = newSession(w.shared, Peer{Node: "n"}, snapshot, rand.NewPCG(1, 2))
	w.session.agent = "envoy/1.40.0"
	clear(w.freed)
	clear(w.warming)
	for _, typ := range served {
		w.types[typ] = w.types[typ].reset()
	}
	for _, typ := range served {
		c := w.types[typ]
		if names := slices.Sorted(maps.Keys(c.names)); c.wildcard || len(names) > 0 {
			w.first(c, names)
		}
	}
}

// reset returns what a client keeps of a type when its stream ends: what it has and wants.
func (c *clientType) reset() *clientType {
	next := &clientType{
		typ: c.typ, has: c.has, told: map[string]string{}, asked: map[string]bool{}, owed: map[string]bool{},
		refused: map[string]bool{}, names: map[string]bool{}, wildcard: c.typ == cache.Cluster || c.typ == cache.Listener,
	}
	maps.Copy(next.names, c.names)
	for name := range next.has {
		if !next.wildcard && !next.names[name] {
			delete(next.has, name)
		}
	}
	return next
}

// first sends the first request of a type.
func (w *world) first(c *clientType, names []string) {
	c.requested, c.firstAt, c.answer = true, w.now, map[string]string{}
	w.session.target.All(c.typ, func(r *cache.Resource) bool { c.answer[r.Name()] = r.Version(); return true })
	var versions []held
	for _, name := range sortedKeys(c.has) {
		res := c.has[name]
		versions = append(versions, held{name, res.Version()})
		c.told[name] = res.Version()
	}
	for _, name := range names {
		target := w.session.target.Get(c.typ, name)
		if have := c.has[name]; have == nil || target == nil || have.Version() != target.Version() {
			c.asked[name] = true
		}
	}
	if c.wildcard {
		names = append([]string{"*"}, names...)
	}
	w.request(&request{typ: c.typ, known: true, subscribe: names, versions: versions})
}

func (w *world) request(r *request) {
	w.rt.Logf("%s > %s +%v -%v have %v nonce %q refused %t", w.now.Format("04:05.000"), r.typ, r.subscribe, r.unsubscribe, r.versions, r.nonce.bytes(), r.refused)
	if err := lend(r, func(r *request) error { return w.session.onRequest(w.now, r) }); err != nil {
		w.rt.Fatalf("request: %v", err)
	}
	w.drain()
}

// drain looks at what the session sent.
func (w *world) drain() {
	for _, r := range w.session.take() {
		w.check(r)
	}
	for i := range w.session.types {
		if t := &w.session.types[i]; w.session.stirred&(1<<t.typ) == 0 && !t.calm() {
			w.rt.Fatalf("%s is taken to be at rest", t.typ)
		}
	}
	w.sub.Settle(w.session.settled)
}

// check holds every response against the rules.
func (w *world) check(r *response) {
	c := w.types[r.push.Type]
	for _, e := range r.members.list() {
		w.rt.Logf("%s < %s %s@%s", w.now.Format("04:05.000"), c.typ, e.name, e.version())
	}
	switch {
	case !c.requested:
		w.rt.Fatalf("%s was sent before it was asked for", c.typ)
	case c.inbox != nil:
		w.rt.Fatalf("two responses of %s in flight", c.typ)
	}
	w.sent++
	r = kept(r)
	c.inbox, c.inboxAt, c.inboxSeq = r, w.now, w.sent
	seen := map[string]bool{}
	for _, e := range r.members.list() {
		if seen[e.name] {
			w.rt.Fatalf("%s %s is twice in one response", c.typ, e.name)
		}
		seen[e.name] = true
		if e.res == nil {
			w.checkRemoval(c, e.name)
		} else {
			w.checkBody(c, e.res)
		}
		delete(c.asked, e.name)
		delete(c.owed, e.name)
	}
}

// kept is a response that its acknowledgement does not end.
func kept(r *response) *response {
	return &response{push: r.push, members: members{
		entries: slices.Clone(r.members.entries), bulk: r.members.bulk,
	}}
}

func (w *world) checkRemoval(c *clientType, name string) {
	if c.typ == cache.Cluster && !c.asked[name] {
		for _, typ := range []cache.Type{cache.Listener, cache.Route} {
			for _, res := range w.types[typ].has {
				if names(res, cache.Cluster, name) && w.session.target.Get(typ, res.Name()) == nil {
					w.rt.Fatalf("cluster %s goes while %s %s, which goes too, names it", name, typ, res.Name())
				}
			}
		}
		if freed, ok := w.freed[name]; ok && w.now.Sub(freed) < 50*time.Second {
			w.rt.Fatalf("cluster %s goes %s after it was named", name, w.now.Sub(freed))
		}
	}
	c.told[name] = ""
}

func (w *world) checkBody(c *clientType, res *cache.Resource) {
	name, version := res.Name(), res.Version()
	if c.refused[name+"@"+version] {
		w.rt.Fatalf("%s %s@%s was refused and is sent again", c.typ, name, version)
	}
	if c.told[name] == version && !c.asked[name] && !c.owed[name] {
		w.rt.Fatalf("%s %s@%s is sent twice", c.typ, name, version)
	}
	if c.typ == cache.Listener || c.typ == cache.Route {
		w.checkReferences(c, res)
	}
	c.told[name] = version
	if c.typ == cache.Cluster {
		for _, ref := range res.Refs() {
			w.types[ref.Type].owed[ref.Name] = true
		}
	}
}

// checkReferences: no listener or route before the clusters that it names, unless a request waited for a second; and none is
// led away to a cluster whose first endpoints were refused.
func (w *world) checkReferences(c *clientType, res *cache.Resource) {
	clusters := w.types[cache.Cluster]
	for _, ref := range res.Refs() {
		if ref.Type != cache.Cluster || w.session.target.Get(cache.Cluster, ref.Name) == nil || c.asked[res.Name()] {
			continue
		}
		// What a client of that version is known to refuse is a later part of the answer, each in a response of its own.
		late := (clusters.inbox != nil || c.answer[res.Name()] == res.Version()) && w.now.Sub(c.firstAt) >= time.Second
		if !late && clusters.told[ref.Name] == "" {
			w.rt.Fatalf("%s %s is sent before %s", c.typ, res.Name(), ref.Name)
		}
		if !late && c.has[res.Name()] != nil && w.lacksEndpoints(ref.Name) {
			w.rt.Fatalf("%s %s now leads to %s, whose first endpoints were refused", c.typ, res.Name(), ref.Name)
		}
	}
}

// lacksEndpoints reports whether a cluster has no endpoints because the client refused the first ones.
func (w *world) lacksEndpoints(cluster string) bool {
	p, refused := w.session.types[cache.Endpoints].parked[cluster]
	res := w.session.target.Get(cache.Cluster, cluster)
	return refused && p.had.version == "" && res != nil && names(res, cache.Endpoints, cluster)
}

func names(res *cache.Resource, typ cache.Type, name string) bool {
	return slices.Contains(res.Refs(), cache.Ref{Type: typ, Name: name})
}

// publish changes up to four resources at once. One version in five is bad: the client refuses it.
func (w *world) publish(rt *rapid.T) {
	var p cache.Publication
	changed := map[cache.Ref]bool{}
	for range rapid.IntRange(1, 4).Draw(rt, "changes") {
		typ := rapid.SampledFrom(served).Draw(rt, "type")
		ref := cache.Ref{Type: typ, Name: "s" + string(rune('0'+rapid.IntRange(0, 4).Draw(rt, "service")))}
		layer := rapid.SampledFrom([]cache.LayerID{"mesh", "mesh", "web"}).Draw(rt, "layer")
		if changed[ref] {
			continue
		}
		changed[ref] = true
		if rapid.IntRange(0, 3).Draw(rt, "remove") == 0 {
			delete(w.content[layer], ref)
			w.rt.Logf("publish %s: remove %s %s", layer, ref.Type, ref.Name)
			p.Changes = append(p.Changes, cache.Change{Layer: layer, Ref: ref})
			continue
		}
		res := w.resource(rt, ref)
		w.content[layer][ref] = res
		w.rt.Logf("publish %s: %s %s@%s -> %v", layer, ref.Type, ref.Name, res.Version(), res.Refs())
		p.Changes = append(p.Changes, cache.Change{Layer: layer, Ref: ref, Resource: res})
	}
	w.store.Publish(p)
	w.rt.Logf("published")
	w.wake()
}

func (w *world) resource(rt *rapid.T, ref cache.Ref) *cache.Resource {
	w.versions++
	config := cache.ResourceConfig{Type: ref.Type, Name: ref.Name, Version: fmt.Sprint(w.versions), Body: []byte("body")}
	if rapid.IntRange(0, 4).Draw(rt, "bad") == 0 {
		config.Version += "-bad"
	}
	other := "s" + string(rune('0'+rapid.IntRange(0, 4).Draw(rt, "names")))
	switch ref.Type {
	case cache.Cluster:
		config.Refs = []cache.Ref{{Type: cache.Endpoints, Name: ref.Name}}
	case cache.Listener:
		config.Refs = []cache.Ref{{Type: cache.Route, Name: ref.Name}, {Type: cache.Cluster, Name: other}}
	case cache.Route:
		config.Refs = []cache.Ref{{Type: cache.Cluster, Name: other}}
	}
	return cache.NewResource(config)
}

func (w *world) wake() {
	select {
	case <-w.wakes:
		snapshot, _ := w.sub.Current()
		w.session.onSnapshot(w.now, snapshot)
		w.drain()
	default:
	}
}

func (w *world) view(rt *rapid.T) {
	w.layers = rapid.SampledFrom([][]cache.LayerID{{"mesh"}, {"web", "mesh"}}).Draw(rt, "layers")
	w.rt.Logf("view %v", w.layers)
	w.store.Publish(cache.Publication{Nodes: w.node()})
	w.wake()
}
