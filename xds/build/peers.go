package build

import (
	"slices"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy"
	"outrigger.dev/outrigger/policy/ir"
)

// plainText stands for plain text where an identity is expected.
const plainText = ""

// peerOf says who answers at an endpoint.
func (b *Builder) peerOf(e *discovery.Endpoint) policy.Peer {
	if w := b.workloads[e.Workload]; w != nil {
		peer, _ := w.stance.at(e.Address.Port())
		return peer
	}
	return policy.Peer{}
}

// isServed reports whether an endpoint may be used. An idle one may not. One that names a workload which no source describes
// may not: who answers there is not known, and plain text by chance is worse than one endpoint less.
func (b *Builder) isServed(e *discovery.Endpoint) bool {
	if e.Workload == (discovery.WorkloadID{}) || e.Idle {
		return !e.Idle
	}
	w := b.workloads[e.Workload]
	return w != nil && w.stance.known
}

// resolvePeers compares the peers of the present endpoints with those until now; who is
// no longer among them is retired. With endpoints that are named by DNS there is plain text among them.
func (b *Builder) resolvePeers(s *service, p *port, endpoints []discovery.Endpoint, named bool) {
	plain, identities := b.peersOf(endpoints)
	plain = plain || named
	if plain == p.inUse.Plain && slices.Equal(identities, p.inUse.Identities) {
		return
	}
	was := p.inUse
	p.inUse = ir.Peers{Plain: plain, Identities: slices.Clone(identities)}
	for _, identity := range members(was) {
		if !has(p.inUse, identity) {
			b.retirePeer(s, p, identity)
		}
	}
	for identity := range p.retired {
		if has(p.inUse, identity) {
			delete(p.retired, identity)
		}
	}
	b.walkPeersToCluster(p)
}

// peersOf collects who answers at the endpoints, in scratch space.
func (b *Builder) peersOf(endpoints []discovery.Endpoint) (plain bool, identities []string) {
	b.identities = b.identities[:0]
	for i := range endpoints {
		peer := b.peerOf(&endpoints[i])
		switch {
		case !peer.Mesh:
			plain = true
		case len(b.identities) == 0 || b.identities[len(b.identities)-1] != peer.Identity:
			b.identities = append(b.identities, peer.Identity)
		}
	}
	slices.Sort(b.identities)
	b.identities = slices.Compact(b.identities)
	return plain, b.identities
}

func (b *Builder) retirePeer(s *service, p *port, identity string) {
	b.seq++
	if p.retired == nil {
		p.retired = map[string]uint64{}
	}
	p.retired[identity] = b.seq
	b.retired = append(b.retired, Retirement{Service: s.id, Port: p.number, Identity: identity, Seq: b.seq})
}

// retire narrows a set of peers, unless the peer came back or was retired anew in the meantime.
func (b *Builder) retire(r Retirement) {
	s := b.services[r.Service]
	if s == nil {
		return
	}
	if p := s.port(r.Port); p != nil && r.Seq != 0 && p.retired[r.Identity] == r.Seq {
		b.walkRetirementToPeers(s, p, r.Identity)
	}
}

// peers returns all that the cluster accepts.
func (p *port) peers() ir.Peers {
	all := ir.Peers{Plain: p.inUse.Plain, Identities: p.inUse.Identities}
	if len(p.retired) == 0 {
		return all
	}
	all.Identities = slices.Clone(all.Identities)
	for identity := range p.retired {
		if identity == plainText {
			all.Plain = true
			continue
		}
		all.Identities = append(all.Identities, identity)
	}
	slices.Sort(all.Identities)
	return all
}

func members(p ir.Peers) []string {
	if !p.Plain {
		return p.Identities
	}
	return append([]string{plainText}, p.Identities...)
}

func has(p ir.Peers, identity string) bool {
	if identity == plainText {
		return p.Plain
	}
	return slices.Contains(p.Identities, identity)
}
