package build

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"slices"
	"strings"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy"
	"outrigger.dev/outrigger/policy/ir"
	"outrigger.dev/outrigger/xds/cache"
	"outrigger.dev/outrigger/xds/translate"
)

var classEncoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// class is what workloads share that serve and reach the same in the same way. It
// exists as long as it has members.
type class struct {
	id      cache.LayerID
	members int
	classKey

	serving  output
	reaching []output // one for each of egress
	// published is false until the resources are in the layer.
	published, dirty bool
}

// classKey is what a class is made from.
type classKey struct {
	// object is the proxy rule that the listeners of explicit mode come from, and zero for capturing
	// proxies and programs without one: what those serve follows from no single object.
	object  discovery.ObjectID
	inbound *ir.Inbound
	egress  []ir.Outbound
}

func (k *classKey) equal(other *classKey) bool {
	return k.object == other.object && k.inbound.Equal(other.inbound) && slices.Equal(k.egress, other.egress)
}

// id hashes the key. It decides who gets which inbound rules, so the hash is one for which
// nobody can find a second key.
func (k *classKey) id() cache.LayerID {
	var text strings.Builder
	fmt.Fprintf(&text, "%s\n%s", k.object, k.inbound.Key())
	for i := range k.egress {
		fmt.Fprintf(&text, "\n%+v", k.egress[i])
	}
	sum := sha256.Sum256([]byte(text.String()))
	return classPrefix + cache.LayerID(strings.ToLower(classEncoding.EncodeToString(sum[:16])))
}

// classify gives a workload its class.
func (b *Builder) classify(w *workload) {
	next, problems := b.classOf(w)
	b.ledger.replace(&w.problems, problems)
	if next == w.class {
		return
	}
	if w.class != nil {
		w.class.members--
		b.dirty.class(w.class)
	}
	if w.class = next; next != nil {
		next.members++
		b.dirty.class(next)
	}
}

// classOf returns the class of a workload, made when it is new; nil outside the mesh.
func (b *Builder) classOf(w *workload) (*class, []discovery.Problem) {
	if w.value == nil || !w.value.InMesh() {
		return nil, nil
	}
	in := policy.InboundInput{
		Workload: w.value, Peer: w.peer, Mesh: b.mesh.rule, Ports: w.targetPorts(), TrustDomain: b.trustDomain,
	}
	var key classKey
	if w.proxy != nil {
		in.Proxy = w.proxy.rule
	}
	if listening := policy.Listening(in.Proxy, w.value); listening != nil {
		key.egress = w.proxy.egress
		if listening.Explicit {
			key.object = in.Proxy.Object
		}
	}
	var problems []discovery.Problem
	key.inbound, problems = policy.ResolveInbound(in)
	if w.class != nil && w.class.equal(&key) {
		return w.class, problems
	}
	id := key.id()
	if b.classes[id] == nil {
		b.classes[id] = &class{id: id, classKey: key, reaching: make([]output, len(key.egress))}
	}
	return b.classes[id], problems
}

// targetPorts returns the ports of a workload to which a service leads, sorted by port, then service.
func (w *workload) targetPorts() []policy.TargetPort {
	var out []policy.TargetPort
	for _, l := range w.leads {
		if l.service.value == nil {
			continue
		}
		if sp, ok := l.service.value.Port(l.port); ok {
			out = append(out, policy.TargetPort{Port: l.target, Protocol: sp.Protocol, Service: l.service.id})
		}
	}
	return out
}

// resolveClasses publishes the classes that are new and forgets those without members.
func (b *Builder) resolveClasses() {
	for _, c := range b.dirty.classes {
		c.dirty = false
		switch {
		case c.members == 0:
			b.dropClass(c)
		case !c.published:
			b.publishClass(c)
		}
	}
	clear(b.dirty.classes)
	b.dirty.classes = b.dirty.classes[:0]
}

func (b *Builder) publishClass(c *class) {
	c.published = true
	b.publish(c.id, &c.serving, newOrigin(c.object, ""), translate.Inbound(c.inbound)...)
	for i := range c.egress {
		from := newOrigin(c.object, c.egress[i].Service.String())
		b.publish(c.id, &c.reaching[i], from, translate.Outbound(&c.egress[i])...)
	}
}

func (b *Builder) dropClass(c *class) {
	b.withdraw(c.id, &c.serving)
	for i := range c.reaching {
		b.withdraw(c.id, &c.reaching[i])
	}
	delete(b.classes, c.id)
}
