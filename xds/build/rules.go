package build

import (
	"slices"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy"
	"outrigger.dev/outrigger/policy/ir"
	"outrigger.dev/outrigger/xds/cache"
)

// namespace finds workloads and the rules that may select them, which are of the same namespace.
type namespace struct {
	workloads map[*workload]struct{}
	proxies   []*policy.ProxyRule
	peers     []*policy.PeerRule
}

func (b *Builder) namespace(name string) *namespace {
	n := b.namespaces[name]
	if n == nil {
		n = &namespace{workloads: map[*workload]struct{}{}}
		b.namespaces[name] = n
	}
	return n
}

func (b *Builder) dropNamespace(name string) {
	if n := b.namespaces[name]; len(n.workloads) == 0 && len(n.proxies) == 0 && len(n.peers) == 0 {
		delete(b.namespaces, name)
	}
}

// storePeer keeps a peer rule; nil takes it away.
func (b *Builder) storePeer(id discovery.ObjectID, rule *policy.PeerRule) {
	old := b.peers[id]
	if old != nil {
		n := b.namespaces[old.Selector.Namespace]
		n.peers = slices.DeleteFunc(n.peers, func(r *policy.PeerRule) bool { return r == old })
		b.dropNamespace(old.Selector.Namespace)
		delete(b.peers, id)
	}
	if rule != nil {
		n := b.namespace(rule.Selector.Namespace)
		n.peers = append(n.peers, rule)
		b.peers[id] = rule
	}
	b.walkPeerToWorkloads(old, rule)
}

// proxy is what is kept of one proxy rule.
type proxy struct {
	// rule is nil once it has gone.
	rule *policy.ProxyRule
	// users are the workloads for which the rule counts.
	users map[*workload]struct{}

	// What the rule came to when it was last resolved.
	names    []*service
	egress   []ir.Outbound
	scope    cache.Scope
	problems []discovery.Problem

	dirty bool
}

// storeProxy keeps a proxy rule; nil takes it away.
func (b *Builder) storeProxy(id discovery.ObjectID, rule *policy.ProxyRule) {
	p := b.proxies[id]
	if p == nil {
		if rule == nil {
			return
		}
		p = &proxy{users: map[*workload]struct{}{}}
		b.proxies[id] = p
	}
	if old := p.rule; old != nil {
		n := b.namespaces[old.Selector.Namespace]
		n.proxies = slices.DeleteFunc(n.proxies, func(r *policy.ProxyRule) bool { return r == old })
		b.dropNamespace(old.Selector.Namespace)
	}
	if rule != nil {
		n := b.namespace(rule.Selector.Namespace)
		n.proxies = append(n.proxies, rule)
	} else {
		delete(b.proxies, id)
	}
	p.rule = rule
	b.dirty.proxy(p)
	b.walkProxyToWorkloads(p, rule)
}

// resolveProxies brings the egress and the scope of the dirty proxy rules up to date.
func (b *Builder) resolveProxies() {
	for _, p := range b.dirty.proxies {
		b.work.Egress++
		b.nameServices(p)
		egress, problems := policy.ResolveEgress(p.rule, b.lookup)
		b.ledger.replace(&p.problems, append(problems, policy.CheckScope(p.rule, b.lookup)...))
		p.scope = scopeOf(p.rule)
		if !slices.Equal(egress, p.egress) {
			p.egress = egress
			b.walkEgressToWorkloads(p)
		}
		p.dirty = false
	}
	clear(b.dirty.proxies)
	b.dirty.proxies = b.dirty.proxies[:0]
}

// nameServices keeps the index of the rules that name a service.
func (b *Builder) nameServices(p *proxy) {
	old := p.names
	p.names = nil
	for _, s := range old {
		delete(s.namedBy, p)
	}
	for _, id := range policy.NamedServices(p.rule) {
		s := b.service(id)
		s.namedBy[p] = struct{}{}
		p.names = append(p.names, s)
	}
	for _, s := range old {
		b.dropService(s)
	}
}

func scopeOf(rule *policy.ProxyRule) cache.Scope {
	all, namespaces, services := policy.ResolveScope(rule)
	if all {
		return cache.All
	}
	groups := make([]string, len(services))
	for i, id := range services {
		groups[i] = id.String()
	}
	return cache.NewScope(namespaces, groups)
}
