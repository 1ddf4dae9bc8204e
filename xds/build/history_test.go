package build

import (
	"fmt"
	"net/netip"
	"slices"

	"pgregory.net/rapid"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy"
	"outrigger.dev/outrigger/policy/ir"
)

// step is one batch of a history.
type step struct {
	updates []discovery.Update
	rules   []policy.Update
	// retire draws from the retirements that are pending by then, wherever they stand.
	retire []int
	// compare says that the result is looked at after this step, when all retirements were handed back.
	compare bool
}

// histories are random stories of a small mesh in which every kind of change occurs, often to the same few objects.
func histories() *rapid.Generator[[]step] {
	return rapid.Custom(func(t *rapid.T) []step {
		a := newAuthor(t)
		steps := make([]step, rapid.IntRange(1, 40).Draw(t, "steps"))
		for i := range steps {
			steps[i] = a.step()
		}
		return steps
	})
}

// author makes up changes, and remembers what is there, because most changes are small ones.
type author struct {
	t *rapid.T
	facts
	current *step
}

// facts is the state that a history has come to.
type facts struct {
	services  map[owned[discovery.ServiceID]]*discovery.Service
	shards    map[discovery.ShardID]*discovery.EndpointSet
	workloads map[owned[discovery.WorkloadID]]*discovery.Workload
	mesh      map[discovery.ObjectID]*policy.MeshRule
	proxies   map[discovery.ObjectID]*policy.ProxyRule
	peers     map[discovery.ObjectID]*policy.PeerRule
}

// owned is a key as one source has it.
type owned[K comparable] struct {
	source discovery.SourceID
	id     K
}

func newFacts() facts {
	return facts{
		services: map[owned[discovery.ServiceID]]*discovery.Service{}, shards: map[discovery.ShardID]*discovery.EndpointSet{},
		workloads: map[owned[discovery.WorkloadID]]*discovery.Workload{},
		mesh:      map[discovery.ObjectID]*policy.MeshRule{}, proxies: map[discovery.ObjectID]*policy.ProxyRule{},
		peers: map[discovery.ObjectID]*policy.PeerRule{},
	}
}

// apply takes a step in.
func (f *facts) apply(s step) {
	for _, u := range s.updates {
		for id, v := range u.Services {
			put(f.services, owned[discovery.ServiceID]{u.Source, id}, v, v == nil)
		}
		for id, v := range u.Endpoints {
			put(f.shards, id, v, v == nil)
		}
		for id, v := range u.Workloads {
			put(f.workloads, owned[discovery.WorkloadID]{u.Source, id}, v, v == nil)
		}
	}
	for _, u := range s.rules {
		for id, v := range u.Mesh {
			put(f.mesh, id, v, v == nil)
		}
		for id, v := range u.Proxies {
			put(f.proxies, id, v, v == nil)
		}
		for id, v := range u.Peers {
			put(f.peers, id, v, v == nil)
		}
	}
}

// batch returns the facts as one batch, for a Builder that knows nothing.
func (f *facts) batch() Batch {
	var b Batch
	for key, v := range f.services {
		b.Updates = append(b.Updates, discovery.Update{Source: key.source, Services: map[discovery.ServiceID]*discovery.Service{key.id: v}})
	}
	for key, v := range f.workloads {
		b.Updates = append(b.Updates, discovery.Update{Source: key.source, Workloads: map[discovery.WorkloadID]*discovery.Workload{key.id: v}})
	}
	b.Updates = append(b.Updates, discovery.Update{Endpoints: f.shards})
	b.Rules = []policy.Update{{Mesh: f.mesh, Proxies: f.proxies, Peers: f.peers}}
	return b
}

// removal returns the batch that takes everything away.
func (f *facts) removal() Batch {
	b := f.batch()
	for _, u := range b.Updates {
		clearValues(u.Services)
		clearValues(u.Endpoints)
		clearValues(u.Workloads)
	}
	clearValues(f.mesh)
	clearValues(f.proxies)
	clearValues(f.peers)
	return b
}

func clearValues[K comparable, V any](m map[K]*V) {
	for key := range m {
		m[key] = nil
	}
}

func newAuthor(t *rapid.T) *author { return &author{t: t, facts: newFacts()} }

// step makes up a batch of one change or of many.
func (a *author) step() step {
	s := step{compare: a.chance(6)}
	changes := 1
	if a.chance(4) {
		changes = a.between(2, 12)
	}
	for range changes {
		var one step
		a.current = &one
		pick(a, a.service, a.service, a.shard, a.shard, a.shard, a.workload, a.workload, a.meshRule,
			a.proxyRule, a.proxyRule, a.peerRule, a.moveWorkload, a.renameService, a.retirements)()
		a.apply(one)
		s.updates, s.rules, s.retire = append(s.updates, one.updates...), append(s.rules, one.rules...), append(s.retire, one.retire...)
	}
	return s
}

// chance is true once in n times.
func (a *author) chance(n int) bool { return a.between(1, n) == 1 }

func (a *author) between(low, high int) int { return rapid.IntRange(low, high).Draw(a.t, "n") }

func pick[V any](a *author, from ...V) V { return from[a.between(0, len(from)-1)] }

func some[V any](a *author, from ...V) []V {
	return slices.DeleteFunc(slices.Clone(from), func(V) bool { return a.chance(2) })
}

func (a *author) source() discovery.SourceID {
	return pick(a, discovery.SourceID{Kind: "file", Name: "one"}, discovery.SourceID{Kind: "file", Name: "one"}, discovery.SourceID{Kind: "file", Name: "two"})
}

func (a *author) namespace() string { return pick(a, "shop", "web") }

func (a *author) serviceID() discovery.ServiceID {
	return discovery.ServiceID{Namespace: a.namespace(), Name: pick(a, "a", "b")}
}

func (a *author) workloadID() discovery.WorkloadID {
	return discovery.WorkloadID{Namespace: a.namespace(), Name: pick(a, "1", "2", "3")}
}

func (a *author) service() {
	key := owned[discovery.ServiceID]{a.source(), a.serviceID()}
	a.putService(key, a.changedService(key))
}

func (a *author) putService(key owned[discovery.ServiceID], v *discovery.Service) {
	a.current.updates = append(a.current.updates,
		discovery.Update{Source: key.source, Services: map[discovery.ServiceID]*discovery.Service{key.id: v}})
}

func (a *author) changedService(key owned[discovery.ServiceID]) *discovery.Service {
	old := a.services[key]
	if old == nil {
		return &discovery.Service{ID: key.id, Origin: a.origin("Service"), VIPs: a.vips(), Ports: a.ports()}
	}
	v := *old
	switch a.between(1, 8) {
	case 1:
		return nil
	case 7:
		v.Join = a.join()
	case 8:
		v.Distribution = pick(a, discovery.Anywhere, discovery.PreferSameZone)
	case 2:
		v.VIPs = a.vips()
	case 3:
		v.Origin = a.origin("Service")
	case 4:
		v.Ports = a.ports()
	default:
		v.Ports = slices.Clone(v.Ports)
		for i := range v.Ports {
			v.Ports[i].Protocol = a.protocol()
		}
	}
	return &v
}

// join is there or not, with a share or without.
func (a *author) join() *discovery.Join {
	if a.chance(3) {
		return nil
	}
	j := &discovery.Join{Kind: "consul", Name: "a"}
	if a.chance(2) {
		share := uint8(a.between(0, 100))
		j.Share = &share
	}
	return j
}

// origin now and then says that the object is of another kind; the place it stands in changes more often.
func (a *author) origin(kind string) discovery.Origin {
	if a.chance(5) {
		kind = "Other" + kind
	}
	return discovery.Origin{Kind: kind, Location: fmt.Sprintf("mesh.yaml:%d", a.between(1, 3))}
}

func (a *author) vips() []netip.Addr {
	return some(a, netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("fd00::1"))
}

func (a *author) ports() []discovery.ServicePort {
	return some(a, discovery.ServicePort{Port: 80, Protocol: a.protocol()}, discovery.ServicePort{Port: 90, Protocol: a.protocol()})
}

func (a *author) protocol() discovery.Protocol {
	return pick(a, discovery.Detect, discovery.HTTP, discovery.GRPC, discovery.TCP)
}

func (a *author) shard() {
	id := discovery.ShardID{Service: a.serviceID(), Source: a.source()}
	a.current.updates = append(a.current.updates,
		discovery.Update{Source: id.Source, Endpoints: map[discovery.ShardID]*discovery.EndpointSet{id: a.changedShard(id)}})
}

func (a *author) changedShard(id discovery.ShardID) *discovery.EndpointSet {
	old := a.shards[id]
	if old == nil || len(old.Ports) == 0 || a.chance(4) {
		return &discovery.EndpointSet{ID: id, Ports: some(a, a.portEndpoints(80), a.portEndpoints(90), a.portEndpoints(99))}
	}
	if a.chance(5) {
		return nil
	}
	v := &discovery.EndpointSet{ID: id, Ports: slices.Clone(old.Ports)}
	p := &v.Ports[a.between(0, len(v.Ports)-1)]
	*p = discovery.PortEndpoints{Port: p.Port, Endpoints: slices.Clone(p.Endpoints), Hosts: p.Hosts}
	if a.chance(4) {
		p.Hosts = a.hosts()
		return v
	}
	if len(p.Endpoints) == 0 {
		*p = a.portEndpoints(p.Port)
		return v
	}
	i := a.between(0, len(p.Endpoints)-1)
	switch a.between(1, 6) {
	case 5:
		p.Endpoints[i].Idle = !p.Endpoints[i].Idle
	case 6:
		p.Endpoints[i].Zones = some(a, "y", "z")
	case 1:
		p.Endpoints[i].Health = pick(a, discovery.Healthy, discovery.Draining)
	case 2:
		p.Endpoints[i].Workload = a.namedWorkload()
	case 3:
		p.Endpoints = slices.Delete(p.Endpoints, i, i+1)
	default:
		p.Endpoints[i].Weight = uint32(a.between(1, 3))
	}
	return v
}

func (a *author) portEndpoints(port uint16) discovery.PortEndpoints {
	pe := discovery.PortEndpoints{Port: port}
	if a.chance(5) {
		pe.Hosts = a.hosts()
	}
	for _, address := range some(a, "10.1.0.1:8080", "10.1.0.1:9090", "10.1.0.2:8080", "10.1.0.3:8080") {
		e := discovery.Endpoint{Address: netip.MustParseAddrPort(address), Workload: a.namedWorkload(), Weight: 1, Health: discovery.Healthy}
		if a.chance(4) {
			e.Network = "other"
		}
		if a.chance(3) {
			e.Locality.Zone = pick(a, "y", "z")
		}
		if a.chance(4) {
			e.Zones = some(a, "y", "z")
		}
		pe.Endpoints = append(pe.Endpoints, e)
	}
	return pe
}

func (a *author) hosts() []discovery.Host {
	return some(a,
		discovery.Host{Name: "a.example", Port: 80, Weight: uint32(a.between(0, 2))},
		discovery.Host{Name: "b.example", Port: 80, Weight: 1, Health: pick(a, discovery.Healthy, discovery.Draining), Idle: a.chance(3)},
	)
}

func (a *author) namedWorkload() discovery.WorkloadID {
	if a.chance(5) {
		return discovery.WorkloadID{}
	}
	return a.workloadID()
}

func (a *author) workload() {
	key := owned[discovery.WorkloadID]{a.source(), a.workloadID()}
	a.putWorkload(key, a.changedWorkload(key))
}

func (a *author) putWorkload(key owned[discovery.WorkloadID], v *discovery.Workload) {
	a.current.updates = append(a.current.updates,
		discovery.Update{Source: key.source, Workloads: map[discovery.WorkloadID]*discovery.Workload{key.id: v}})
}

func (a *author) changedWorkload(key owned[discovery.WorkloadID]) *discovery.Workload {
	old := a.workloads[key]
	if old == nil {
		v := &discovery.Workload{
			ID: key.id, Origin: a.origin("Workload"), Labels: a.labels(), Addresses: a.addresses(),
			ServiceAccount: a.account(), Sidecar: !a.chance(4),
		}
		v.Proxyless = !v.Sidecar && a.chance(2)
		v.Locality.Zone = pick(a, "", "y", "z")
		return v
	}
	v := *old
	switch a.between(1, 8) {
	case 1:
		return nil
	case 8:
		v.Locality.Zone = pick(a, "", "y", "z")
	case 2:
		v.Sidecar, v.Proxyless = !v.Sidecar, false
	case 7:
		v.Sidecar, v.Proxyless = false, !v.Proxyless
	case 3:
		v.ServiceAccount = a.account()
	case 4:
		v.Addresses = a.addresses()
	case 5:
		v.Origin = a.origin("Workload")
	default:
		v.Labels = a.labels()
	}
	return &v
}

func (a *author) account() string { return pick(a, "x", "y") }

func (a *author) labels() map[string]string {
	return map[string]string{"app": pick(a, "a", "b"), "tier": pick(a, "front", "back")}
}

func (a *author) addresses() []netip.Addr {
	return []netip.Addr{pick(a, netip.MustParseAddr("10.1.0.1"), netip.MustParseAddr("10.1.0.2"))}
}

// moveWorkload takes a workload to the other namespace within one batch.
func (a *author) moveWorkload() {
	from := owned[discovery.WorkloadID]{a.source(), a.workloadID()}
	v := a.workloads[from]
	if v == nil {
		return
	}
	to := from
	to.id.Namespace = map[string]string{"shop": "web", "web": "shop"}[from.id.Namespace]
	moved := *v
	moved.ID = to.id
	a.putWorkload(from, nil)
	a.putWorkload(to, &moved)
}

// renameService gives a service, with all it has, another name within one batch.
func (a *author) renameService() {
	from := owned[discovery.ServiceID]{a.source(), a.serviceID()}
	to := owned[discovery.ServiceID]{from.source, a.serviceID()}
	v := a.services[from]
	if v == nil || from == to {
		return
	}
	renamed := *v
	renamed.ID = to.id
	a.putService(from, nil)
	a.putService(to, &renamed)
}

func (a *author) meshRule() {
	id := discovery.ObjectID{Kind: "MeshConfig", Name: pick(a, "default", "other")}
	var rule *policy.MeshRule
	if !a.chance(4) {
		rule = &policy.MeshRule{Object: id, DefaultMode: a.mode(), UnknownDestinations: pick(a, ir.Allow, ir.Deny)}
	}
	a.current.rules = append(a.current.rules, policy.Update{Mesh: map[discovery.ObjectID]*policy.MeshRule{id: rule}})
}

func (a *author) mode() ir.MTLSMode { return pick(a, ir.Permissive, ir.Strict, ir.Disabled) }

func (a *author) selector(namespace string) policy.Selector {
	s := policy.Selector{Namespace: namespace}
	if !a.chance(3) {
		s.Labels = some(a, policy.Label{Key: "app", Value: pick(a, "a", "b")}, policy.Label{Key: "tier", Value: pick(a, "front", "back")})
	}
	return s
}

func (a *author) proxyRule() {
	id := discovery.ObjectID{Kind: "ProxyConfig", Namespace: a.namespace(), Name: pick(a, "p", "q")}
	a.current.rules = append(a.current.rules, policy.Update{
		Proxies: map[discovery.ObjectID]*policy.ProxyRule{id: a.changedProxyRule(id)},
	})
}

func (a *author) changedProxyRule(id discovery.ObjectID) *policy.ProxyRule {
	old := a.proxies[id]
	if old == nil {
		return &policy.ProxyRule{
			Object: id, Selector: a.selector(id.Namespace), Explicit: a.chance(2), Egress: a.egress(), Ingress: a.ingress(), Scope: a.scope(),
		}
	}
	v := *old
	switch a.between(1, 6) {
	case 1:
		return nil
	case 2:
		v.Selector = a.selector(id.Namespace)
	case 3:
		v.Explicit = !v.Explicit
	case 4:
		v.Egress = a.egress()
	case 5:
		v.Ingress = a.ingress()
	default:
		v.Scope = a.scope()
	}
	return &v
}

func (a *author) egress() []policy.EgressListener {
	return some(a,
		policy.EgressListener{Address: netip.MustParseAddrPort("127.0.0.2:9001"), Service: a.serviceID(), Port: pick[uint16](a, 80, 90)},
		policy.EgressListener{Address: netip.MustParseAddrPort("127.0.0.2:9002"), Service: a.serviceID(), Port: 80, Index: 1},
		policy.EgressListener{Address: netip.MustParseAddrPort("10.1.0.1:9090"), Service: a.serviceID(), Port: 80, Index: 2},
	)
}

func (a *author) ingress() []policy.IngressListener {
	return some(a,
		policy.IngressListener{Port: 8080, Target: netip.MustParseAddrPort("127.0.0.1:18080")},
		policy.IngressListener{Port: 8080, Target: netip.MustParseAddrPort("127.0.0.1:18081"), Address: netip.MustParseAddr("10.1.0.9")},
		policy.IngressListener{Port: 9090, Target: netip.MustParseAddrPort("127.0.0.1:19090"), Protocol: a.protocol(), Declared: true},
		policy.IngressListener{Port: 9091, Target: netip.MustParseAddrPort("10.1.0.2:9091"), Index: a.between(0, 2)},
	)
}

func (a *author) scope() policy.Scope {
	if a.chance(3) {
		return policy.Scope{}
	}
	services := some(a, a.serviceID(), discovery.ServiceID{Namespace: "web", Name: "*"})
	if a.chance(8) {
		services = []discovery.ServiceID{{Namespace: "*", Name: "*"}}
	}
	return policy.Scope{Declared: true, Services: services}
}

func (a *author) peerRule() {
	id := discovery.ObjectID{Kind: "AuthenticationPolicy", Namespace: a.namespace(), Name: pick(a, "p", "q")}
	var rule *policy.PeerRule
	if !a.chance(4) {
		rule = &policy.PeerRule{
			Object: id, Selector: a.selector(id.Namespace), Mode: a.mode(),
			Ports: some(a, policy.PortMode{Port: 8080, Mode: a.mode()}, policy.PortMode{Port: 9090, Mode: a.mode()}),
		}
	}
	a.current.rules = append(a.current.rules, policy.Update{Peers: map[discovery.ObjectID]*policy.PeerRule{id: rule}})
}

func (a *author) retirements() {
	for range a.between(1, 4) {
		a.current.retire = append(a.current.retire, a.between(0, 1000))
	}
}
