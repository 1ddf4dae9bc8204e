package server

import (
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"outrigger.dev/outrigger/xds/cache"
)

// answer takes one response.
func (w *world) answer(rt *rapid.T) {
	waiting := w.unanswered()
	if len(waiting) == 0 {
		w.advance(time.Millisecond)
		return
	}
	w.take(rapid.SampledFrom(waiting).Draw(rt, "which"))
}

func (w *world) take(c *clientType) {
	r, seq := c.inbox, c.inboxSeq
	nonce := w.session.types[c.typ].flight.nonce
	for _, e := range r.members.list() {
		if e.res != nil && strings.HasSuffix(e.res.Version(), "-bad") {
			c.inbox = nil
			w.refuse(c, r, nonce)
			w.warm(c, r, seq)
			return
		}
	}
	var subscribe [cache.NumTypes][]string
	for _, e := range r.members.list() {
		w.accept(c, e, &subscribe)
	}
	if w.withholds(c, r) {
		c.applied = true
	} else {
		c.inbox = nil
		w.request(&request{typ: c.typ, known: true, nonce: nonce})
	}
	for _, typ := range served {
		if len(subscribe[typ]) > 0 {
			w.ask(w.types[typ], subscribe[typ])
		}
	}
	w.warm(c, r, seq)
}

// refuse rejects a whole response.
func (w *world) refuse(c *clientType, r *response, nonce nonce) {
	c.nacked = true
	for _, e := range r.members.list() {
		c.told[e.name] = ""
		if have := c.has[e.name]; have != nil {
			c.told[e.name] = have.Version()
		}
		switch {
		case !c.wildcard && !c.names[e.name]:
		case e.res != nil && len(r.members.list()) == 1:
			c.refused[e.name+"@"+e.res.Version()] = true
			if e.asked {
				c.owed[e.name] = true
			}
		default:
			c.asked[e.name] = true // It comes again, in a half.
		}
	}
	w.request(&request{typ: c.typ, known: true, nonce: nonce, refused: true, problem: "bad"})
}

// accept applies one member, and collects what Envoy then asks for.
func (w *world) accept(c *clientType, e entry, subscribe *[cache.NumTypes][]string) {
	if old := c.has[e.name]; old != nil && old.Version() != e.version() { // The same content again frees nothing.
		for _, ref := range old.Refs() {
			if ref.Type == cache.Cluster {
				w.freed[ref.Name] = w.now
			}
		}
	}
	if e.res == nil {
		delete(c.has, e.name)
		return
	}
	if !c.wildcard && !c.names[e.name] {
		return
	}
	c.has[e.name] = e.res
	for _, ref := range e.res.Refs() {
		if ref.Type > c.typ && !w.types[ref.Type].names[ref.Name] {
			subscribe[ref.Type] = append(subscribe[ref.Type], ref.Name)
		}
	}
}

func (w *world) ask(c *clientType, names []string) {
	for _, name := range names {
		c.names[name] = true
	}
	if !c.requested {
		w.first(c, names)
		return
	}
	for _, name := range names {
		c.asked[name] = true
	}
	w.request(&request{typ: c.typ, known: true, subscribe: names})
}

// subscribe asks for a name by itself, known or not.
func (w *world) subscribe(rt *rapid.T) {
	typ := rapid.SampledFrom([]cache.Type{cache.Endpoints, cache.Route}).Draw(rt, "type")
	w.ask(w.types[typ], []string{"s" + string(rune('0'+rapid.IntRange(0, 5).Draw(rt, "name")))})
}

// unsubscribe ends the interest in a name, whether there was any or not. A type that was not asked for yet is
// asked for instead: its first request cannot do without names.
func (w *world) unsubscribe(rt *rapid.T) {
	c := w.types[rapid.SampledFrom([]cache.Type{cache.Endpoints, cache.Route}).Draw(rt, "type")]
	name := "s" + string(rune('0'+rapid.IntRange(0, 5).Draw(rt, "name")))
	if !c.requested {
		w.ask(c, []string{name})
		return
	}
	delete(c.names, name)
	delete(c.has, name)
	delete(c.told, name)
	delete(c.asked, name)
	for version := range c.refused {
		if strings.HasPrefix(version, name+"@") {
			delete(c.refused, version)
		}
	}
	w.request(&request{typ: c.typ, known: true, unsubscribe: []string{name}})
}

func (w *world) advanceALittle(rt *rapid.T) {
	w.advance(time.Duration(rapid.IntRange(1, 30_000).Draw(rt, "ms")) * time.Millisecond)
}

func (w *world) advance(d time.Duration) {
	end := w.now.Add(d)
	for {
		next := w.session.deadline(w.now)
		if due := w.warmDue(); !due.IsZero() && !due.After(end) && (next.IsZero() || due.Before(next)) {
			w.now = due
			w.giveUp()
			continue
		}
		if next.IsZero() || next.After(end) {
			break
		}
		if next.After(w.now) {
			w.now = next
		}
		if err := w.session.onTimer(w.now); err != nil {
			w.tooSlow(err)
			return
		}
		w.drain()
		if again := w.session.deadline(w.now); !again.IsZero() && !again.After(w.now) {
			w.rt.Fatalf("the timer does not advance")
		}
	}
	w.now = end
}

// tooSlow connects again after the server has ended the stream, which it does for one reason only.
func (w *world) tooSlow(err error) {
	if !slices.ContainsFunc(served, func(typ cache.Type) bool {
		return w.types[typ].inbox != nil && w.now.Sub(w.types[typ].inboxAt) >= w.shared.timing.Ack
	}) {
		w.rt.Fatalf("the stream ends: %v", err)
	}
	w.reconnect(w.rt)
}

func (w *world) reconnect(*rapid.T) {
	w.rt.Logf("reconnect")
	w.sub.Close()
	w.open()
}
