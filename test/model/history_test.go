package model

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"outrigger.dev/outrigger/test/selfsigned"
	"outrigger.dev/outrigger/xds/cache"
)

const (
	proxies = 3
	steps   = 60
	// latest is how long after all is quiet a proxy may lack what is published.
	latest = 2 * time.Second
	// drained is when nothing may be left of what is gone.
	drained = 10 * time.Minute
)

var histories = flag.Int("histories", 60, "how many histories are played")

// TestHistories plays histories, each of its own seed, in which a registry changes, and is in trouble at times and loses what it
// has; what proxies see is changed; proxies lose their streams and refuse clusters and assignments. In all of them
//
//   - no proxy has a route that names a cluster which it does not have, or whose endpoints it was not told;
//   - no set of endpoints is emptied while the registry is in trouble;
//   - a proxy has all that is published 2 s after all is quiet, but for what it refused and what depends on that;
//   - no body is sent to a proxy that has it, but for an assignment behind its cluster.
func TestHistories(t *testing.T) {
	selfsigned.Certificate() // Made once, outside every bubble.
	for seed := range uint64(*histories) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { play(t, seed) })
		})
	}
}

// world is one history.
type world struct {
	*line
	seed    uint64
	chance  *rand.Rand
	proxies []*proxy

	mu   sync.Mutex // guards the town, at which proxies look
	town *town
}

func play(t *testing.T, seed uint64) {
	t.Helper()
	chance := rand.New(rand.NewPCG(seed, 0))
	w := &world{line: start(t), seed: seed, chance: chance, town: newTown(chance)}
	w.feed.Offer(scope(nil))
	w.change(func() {})
	synctest.Wait()
	ctx, stop := context.WithCancel(context.Background())
	for i := range proxies {
		p := newProxy(w, i)
		w.proxies = append(w.proxies, p)
		p.work.Go(func() { p.run(ctx) })
	}
	defer func() {
		stop()
		for _, p := range w.proxies {
			p.work.Wait()
		}
	}()
	for range steps {
		w.step()
		advance(time.Duration(w.chance.IntN(200)) * time.Millisecond)
	}
	w.end()
}

func advance(d time.Duration) {
	timer := time.NewTimer(d)
	<-timer.C
	synctest.Wait()
}

// step does one thing by chance.
func (w *world) step() {
	p := w.proxies[w.chance.IntN(proxies)]
	switch w.chance.IntN(16) {
	case 0:
		w.change(w.town.fall)
	case 1, 2:
		w.see()
	case 3, 4:
		p.lose()
	case 5:
		p.mu.Lock()
		p.refuses = !p.refuses
		p.mu.Unlock()
	case 6:
		advance(time.Duration(w.chance.IntN(60)) * time.Second)
	case 7:
		w.quiet()
	default:
		w.change(w.town.alter)
	}
}

// change does something to the registry, which then tells.
func (w *world) change(do func()) {
	w.mu.Lock()
	do()
	u := w.town.tell()
	w.mu.Unlock()
	w.source <- u
}

// see changes what the proxies see.
func (w *world) see() {
	var some []int
	if w.chance.IntN(3) > 0 {
		some = []int{w.chance.IntN(services), w.chance.IntN(services), w.chance.IntN(services)}
	}
	w.feed.Offer(scope(some))
}

// mayBeEmpty demands that a set of endpoints is emptied only because the registry said so while it could be believed.
func (w *world) mayBeEmpty(node, cluster string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for s := range services {
		if clusterOf(s) == cluster && w.town.trouble != nil && !w.town.empty[s] {
			w.t.Errorf("%s: %s is emptied in trouble", node, cluster)
		}
	}
}

// quiet lets nothing happen, and demands that all have what is published.
func (w *world) quiet() {
	for _, p := range w.proxies {
		p.isConnected()
	}
	for rev := w.store.Rev(); ; rev = w.store.Rev() {
		advance(latest)
		if w.store.Rev() == rev {
			break // Else an identity was given up meanwhile, say.
		}
	}
	for _, p := range w.proxies {
		p.isLatest()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.town.settled()
}

// end ends all trouble, and demands that everybody has what the registry has, and nothing else, once all that goes has gone.
func (w *world) end() {
	w.feed.Offer(scope(nil))
	w.change(func() { w.town.trouble = nil })
	w.quiet()
	advance(drained)
	w.quiet()
	for s := range services {
		for _, p := range w.proxies {
			p.hasOnly(s, len(w.town.endpoints[s]))
		}
	}
}

// isConnected waits until the proxy has a stream.
func (p *proxy) isConnected() {
	for range 100 {
		p.mu.Lock()
		connected := p.cut != nil
		p.mu.Unlock()
		if connected {
			return
		}
		advance(100 * time.Millisecond)
	}
	p.t.Fatalf("%s has no stream", p.node)
}

// isLatest compares what the proxy has with what is published. What depends on something that it has refused may be missing.
func (p *proxy) isLatest() {
	p.mu.Lock()
	defer p.mu.Unlock()
	view, ok := p.store.View(p.node)
	if !ok {
		p.t.Fatalf("there is no view of %s", p.node)
	}
	for _, t := range []cache.Type{cache.Cluster, cache.Endpoints, cache.Listener, cache.Route} {
		view.Snapshot.All(t, func(r *cache.Resource) bool {
			if has := p.has[t][r.Name()]; has != r.Version() && p.wants(t, r.Name()) && !p.lacks(r, view.Snapshot) {
				p.t.Errorf("%s has %s %s@%q after %s, and not %s", p.node, t, r.Name(), has, latest, r.Version())
			}
			return true
		})
	}
}

// wants reports whether a resource is asked for: all clusters and listeners are, and of the others those that they need.
func (p *proxy) wants(t cache.Type, name string) bool {
	return t == cache.Cluster || t == cache.Listener || slices.Contains(p.needs(t-1), name)
}

// lacks reports whether the proxy refused a resource, or something that it needs, in the version that is published.
func (p *proxy) lacks(r *cache.Resource, published *cache.Snapshot) bool {
	if p.judged[content{r.Type(), r.Name(), r.Version()}] {
		return true
	}
	for _, ref := range r.Refs() {
		if needed := published.Get(ref.Type, ref.Name); needed != nil && p.lacks(needed, published) {
			return true
		}
	}
	return false
}

// hasOnly demands that the proxy has so many endpoints of a service; without the service, none of what it had of it.
func (p *proxy) hasOnly(s, endpoints int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refused > 0 {
		return
	}
	name := clusterOf(s)
	if got := p.endpoints[name]; got != endpoints {
		p.t.Errorf("%s has %d endpoints of %s in the end, and not %d", p.node, got, name, endpoints)
	}
	view, _ := p.store.View(p.node)
	for t := range cache.Type(cache.NumTypes) {
		for has := range p.has[t] {
			if view.Snapshot.Get(t, has) == nil && strings.Contains(has, serviceOf(s).Host()) {
				p.t.Errorf("%s still has %s %s", p.node, t, has)
			}
		}
	}
}
