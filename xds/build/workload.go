package build

import (
	"cmp"
	"maps"
	"slices"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy"
	"outrigger.dev/outrigger/policy/ir"
	"outrigger.dev/outrigger/xds/cache"
)

// workload is what is kept of one instance.
type workload struct {
	id discovery.WorkloadID
	// values are what the sources say; value is the one that counts, or nil.
	values discovery.BySource[discovery.Workload]
	value  *discovery.Workload
	// leads are the service ports with an endpoint at the workload, sorted.
	leads []lead

	// The rules that count, and what they came to when the workload was last resolved.
	peer   *policy.PeerRule
	proxy  *proxy
	stance stance
	// zone is that of a client, and empty for others.
	zone     string
	class    *class
	view     *cache.ViewSpec
	problems []discovery.Problem

	dirty, dirtyRules, dirtyView bool
}

// lead is a way to a workload: endpoints of a service port that name it, at one of its ports.
type lead struct {
	service      *service
	port, target uint16
	endpoints    int
}

// stance is how a workload is spoken to.
type stance struct {
	// known is false for a workload that shards name and no source describes.
	known bool
	// proxyless says that it is a gRPC program without a proxy.
	proxyless bool
	mesh      *policy.MeshRule
	rule      *policy.PeerRule
	proxy     *policy.ProxyRule
	// peers are by mode.
	peers [ir.Disabled + 1]policy.Peer
}

// at returns who answers at a port; ok is false when nobody can tell.
func (s *stance) at(port uint16) (peer policy.Peer, ok bool) {
	return s.peers[policy.ClientMode(s.mesh, s.rule, s.proxy, port)], s.known
}

// sameAt reports whether the same peer answers at a port.
func (s *stance) sameAt(port uint16, other *stance) bool {
	a, knownA := s.at(port)
	b, knownB := other.at(port)
	return a == b && knownA == knownB
}

func (b *Builder) workload(id discovery.WorkloadID) *workload {
	w := b.workloads[id]
	if w == nil {
		w = &workload{id: id}
		b.workloads[id] = w
	}
	return w
}

// dropWorkload forgets a workload that nothing refers to any more.
func (b *Builder) dropWorkload(w *workload) {
	if len(w.values) == 0 && len(w.leads) == 0 && w.class == nil && w.view == nil && !w.dirty && !w.dirtyView {
		delete(b.workloads, w.id)
	}
}

func (b *Builder) storeWorkload(source discovery.SourceID, id discovery.WorkloadID, value *discovery.Workload) {
	w := b.workload(id)
	old := w.value
	w.values.Put(source, value, compareSources)
	w.value = w.values.First()
	if !w.value.Equal(old) {
		b.settle(w)
		b.dirty.workload(w)
	}
	if !sameLabels(w.value, old) {
		b.dirty.rules(w)
	}
	b.dropWorkload(w)
}

// sameLabels reports whether the same rules select both.
func sameLabels(a, b *discovery.Workload) bool {
	if a == nil || b == nil {
		return a == b
	}
	return maps.Equal(a.Labels, b.Labels)
}

// settle keeps the index of the workloads of a namespace.
func (b *Builder) settle(w *workload) {
	if w.value != nil {
		b.namespace(w.id.Namespace).workloads[w] = struct{}{}
		return
	}
	if n := b.namespaces[w.id.Namespace]; n != nil {
		delete(n.workloads, w)
		b.dropNamespace(w.id.Namespace)
	}
}

// leadTo notes that an endpoint of a service port names a workload.
func (b *Builder) leadTo(s *service, port uint16, e *discovery.Endpoint) {
	if e.Workload == (discovery.WorkloadID{}) {
		return
	}
	w := b.workload(e.Workload)
	l := lead{service: s, port: port, target: e.Address.Port(), endpoints: 1}
	if i, found := slices.BinarySearchFunc(w.leads, l, lead.compare); found {
		w.leads[i].endpoints++
	} else {
		w.leads = slices.Insert(w.leads, i, l)
	}
	b.walkShardToWorkloads(w)
}

// leadAway takes back what leadTo noted.
func (b *Builder) leadAway(s *service, port uint16, e *discovery.Endpoint) {
	w := b.workloads[e.Workload]
	if w == nil {
		return
	}
	l := lead{service: s, port: port, target: e.Address.Port()}
	i, found := slices.BinarySearchFunc(w.leads, l, lead.compare)
	if !found {
		return
	}
	if w.leads[i].endpoints--; w.leads[i].endpoints == 0 {
		w.leads = slices.Delete(w.leads, i, i+1)
	}
	b.walkShardToWorkloads(w)
	b.dropWorkload(w)
}

// compare orders by the port of the workload, then by service and its port.
func (l lead) compare(other lead) int {
	return cmp.Or(cmp.Compare(l.target, other.target), l.service.id.Compare(other.service.id), cmp.Compare(l.port, other.port))
}

// resolveWorkloads brings everything that follows from the dirty workloads up to date, but the services.
func (b *Builder) resolveWorkloads() {
	before := b.proxyless
	for _, w := range b.dirty.workloads {
		b.work.Workloads++
		if w.dirtyRules {
			b.choose(w)
			w.dirtyRules = false
		}
		was := w.stance
		w.stance = b.stanceOf(w)
		b.countProxyless(was.proxyless, w.stance.proxyless)
		zone := zoneOf(w.value)
		b.countZone(w.zone, zone)
		w.zone = zone
		b.walkWorkloadToPorts(w, &was)
		b.walkWorkloadToClass(w)
		b.walkWorkloadToView(w)
		w.dirty = false
		b.dropWorkload(w)
	}
	clear(b.dirty.workloads)
	b.dirty.workloads = b.dirty.workloads[:0]
	if (before == 0) != (b.proxyless == 0) {
		b.walkProxylessToPorts()
	}
}

// choose finds the rules that count for a workload.
func (b *Builder) choose(w *workload) {
	var next *proxy
	w.peer = nil
	if n := b.namespaces[w.id.Namespace]; n != nil && w.value != nil {
		w.peer = policy.PickPeer(n.peers, w.value)
		if rule := policy.PickProxy(n.proxies, w.value); rule != nil {
			next = b.proxies[rule.Object]
		}
	}
	if w.proxy != nil {
		delete(w.proxy.users, w)
	}
	if w.proxy = next; next != nil {
		next.users[w] = struct{}{}
	}
}

func (b *Builder) stanceOf(w *workload) stance {
	s := stance{known: w.value != nil, mesh: b.mesh.rule, rule: w.peer}
	s.proxyless = s.known && w.value.Proxyless
	if w.proxy != nil {
		s.proxy = policy.Listening(w.proxy.rule, w.value)
	}
	for mode := range s.peers {
		s.peers[mode] = policy.PeerOf(w.value, ir.MTLSMode(mode), b.trustDomain)
	}
	return s
}

// resolveViews gives the nodes of the dirty workloads their views, once all that views depend on is known.
func (b *Builder) resolveViews() {
	for _, w := range b.dirty.views {
		b.assign(w)
		w.dirtyView = false
		b.dropWorkload(w)
	}
	clear(b.dirty.views)
	b.dirty.views = b.dirty.views[:0]
}

// assign gives the node of a workload its view.
func (b *Builder) assign(w *workload) {
	next := w.viewSpec(len(b.zoned) > 0)
	if sameView(w.view, next) {
		return
	}
	w.view = next
	if b.nodes == nil {
		b.nodes = map[string]*cache.ViewSpec{}
	}
	b.nodes[w.id.String()] = next
}

// viewSpec returns what a workload sees; zoned says that zones matter somewhere.
func (w *workload) viewSpec(zoned bool) *cache.ViewSpec {
	if w.class == nil {
		return nil
	}
	spec := &cache.ViewSpec{Layers: []cache.LayerID{w.class.id, CaptureLayer, MeshLayer}, Scope: cache.All}
	if w.proxy != nil {
		spec.Scope = w.proxy.scope
	}
	switch {
	case w.value.Proxyless:
		spec.Layers = []cache.LayerID{w.class.id, GRPCLayer}
	case w.proxy != nil && w.proxy.rule.Explicit:
		spec.Layers = []cache.LayerID{w.class.id, MeshLayer}
	}
	if zoned && w.zone != "" {
		spec.Layers = slices.Insert(spec.Layers, 1, zoneLayer(w.zone))
	}
	return spec
}

func sameView(a, b *cache.ViewSpec) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Scope.Key() == b.Scope.Key() && slices.Equal(a.Layers, b.Layers)
}
