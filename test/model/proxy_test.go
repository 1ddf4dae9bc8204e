package model

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"outrigger.dev/outrigger/xds/cache"
)

// proxy is an Envoy: what it has outlives its streams.
type proxy struct {
	*world
	node   string
	chance *rand.Rand
	stream discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesClient
	work   sync.WaitGroup

	mu  sync.Mutex
	cut context.CancelFunc // ends the present stream; nil: there is none
	has [cache.NumTypes]map[string]string
	// wanted are the types that were asked for on any stream.
	wanted [cache.NumTypes]bool
	// listeners are the routes that each names, routes the clusters, endpoints how many each assignment has.
	listeners map[string][]string
	routes    map[string][]string
	endpoints map[string]int
	// owed is how often an assignment may come again: behind its cluster, and as the answer to a request that crossed it.
	owed map[string]int
	// given are the assignments that were given up on the present stream.
	given map[string]bool
	// judged says of every content whether it is refused.
	judged  map[content]bool
	refuses bool // by chance, what is new
	refused int
}

type content struct {
	typ           cache.Type
	name, version string
}

func newProxy(w *world, i int) *proxy {
	p := &proxy{
		world: w, node: fmt.Sprintf("%s/web-%d", namespace, i), chance: rand.New(rand.NewPCG(w.seed, uint64(i+1))),
		listeners: map[string][]string{}, routes: map[string][]string{}, endpoints: map[string]int{}, judged: map[content]bool{},
	}
	for t := range p.has {
		p.has[t] = map[string]string{}
	}
	return p
}

// run keeps a stream open until ctx ends.
func (p *proxy) run(ctx context.Context) {
	for ctx.Err() == nil {
		if err := p.follow(ctx); err != nil {
			p.t.Errorf("%s: %v", p.node, err)
			return
		}
		pause(ctx, time.Duration(p.chance.IntN(1500))*time.Millisecond)
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// follow opens a stream and answers what comes. That it was cut is no error.
func (p *proxy) follow(ctx context.Context) error {
	conn, err := p.dial()
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	ctx, cut := context.WithCancel(metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+p.node))
	defer cut()
	p.stream, err = discoveryv3.NewAggregatedDiscoveryServiceClient(conn).DeltaAggregatedResources(ctx)
	if err != nil {
		return unlessCut(ctx, err)
	}
	p.begin(cut)
	defer p.isCut()
	for {
		r, err := p.stream.Recv()
		if err != nil {
			return unlessCut(ctx, err)
		}
		pause(ctx, time.Duration(p.chance.IntN(20))*time.Millisecond)
		if ctx.Err() == nil {
			p.take(r)
		}
	}
}

func unlessCut(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return nil
}

func (p *proxy) isCut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = nil
}

// lose cuts the stream, if there is one.
func (p *proxy) lose() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cut != nil {
		p.cut()
	}
}

// begin asks for clusters, and when it comes back at once for all that it has.
func (p *proxy) begin(cut context.CancelFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut, p.owed, p.given = cut, map[string]int{}, map[string]bool{}
	p.open(cache.Cluster)
	for _, t := range []cache.Type{cache.Endpoints, cache.Listener, cache.Route} {
		if p.wanted[t] = p.wanted[t] && (t == cache.Listener || len(p.needs(t-1)) > 0); p.wanted[t] {
			p.open(t) // Without names it would ask for all.
		}
	}
}

// open sends the first request of a type.
func (p *proxy) open(t cache.Type) {
	p.wanted[t] = true
	r := &discoveryv3.DeltaDiscoveryRequest{TypeUrl: t.URL(), InitialResourceVersions: maps.Clone(p.has[t])}
	switch t {
	case cache.Cluster:
		r.Node = &corev3.Node{Id: p.node, Cluster: namespace + "/web", UserAgentName: "envoy"}
	case cache.Endpoints:
		r.ResourceNamesSubscribe = p.needs(cache.Cluster)
	case cache.Route:
		r.ResourceNamesSubscribe = p.needs(cache.Listener)
	}
	p.say(r)
}

// say sends a request; that the stream has ended is seen where it is read.
func (p *proxy) say(r *discoveryv3.DeltaDiscoveryRequest) { _ = p.stream.Send(r) }

// needs are the assignments of the clusters that the proxy has, or the routes of its listeners: each is the type behind.
func (p *proxy) needs(t cache.Type) []string {
	var names []string
	for name := range p.has[t] {
		if t == cache.Listener {
			names = append(names, p.listeners[name]...)
		} else if strings.HasPrefix(name, "outbound|") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// take looks at a response, and acknowledges or refuses it.
func (p *proxy) take(r *discoveryv3.DeltaDiscoveryResponse) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t, ok := cache.TypeOf(r.TypeUrl)
	if !ok || !p.wanted[t] {
		p.t.Errorf("%s was sent the type %s", p.node, r.TypeUrl)
		return
	}
	answer := &discoveryv3.DeltaDiscoveryRequest{TypeUrl: r.TypeUrl, ResponseNonce: r.Nonce}
	bad := false
	for _, res := range r.Resources {
		p.isNew(t, res)
		bad = p.isRefused(t, res) || bad
	}
	if bad {
		answer.ErrorDetail = &rpcstatus.Status{Code: 3, Message: "no"}
		p.say(answer)
		return
	}
	needed := p.needs(t)
	for _, res := range r.Resources {
		p.apply(t, res)
	}
	for _, name := range r.RemovedResources {
		p.drop(t, name)
	}
	p.say(answer)
	p.ask(t, needed)
}

// isNew demands that a body was not sent before, but behind its cluster.
func (p *proxy) isNew(t cache.Type, res *discoveryv3.Resource) {
	if p.has[t][res.Name] == res.Version && (t != cache.Endpoints || p.owed[res.Name] == 0) {
		p.t.Errorf("%s is sent %s %s@%s, which it has", p.node, t, res.Name, res.Version)
	}
}

// isRefused decides by chance of clusters and assignments, once for each content.
func (p *proxy) isRefused(t cache.Type, res *discoveryv3.Resource) bool {
	if t == cache.Cluster && strings.HasPrefix(res.Name, "outbound|") {
		p.owed[res.Name] = 1
	}
	what := content{t, res.Name, res.Version}
	if _, ok := p.judged[what]; !ok {
		outbound := (t == cache.Cluster || t == cache.Endpoints) && strings.HasPrefix(res.Name, "outbound|")
		p.judged[what] = outbound && p.refuses && p.chance.IntN(4) == 0
		if p.judged[what] {
			p.refused++
		}
	}
	return p.judged[what]
}

// apply makes a resource the proxy's own.
func (p *proxy) apply(t cache.Type, res *discoveryv3.Resource) {
	switch t {
	case cache.Endpoints:
		var message endpointv3.ClusterLoadAssignment
		p.decode(res.GetResource(), &message)
		n := 0
		for _, group := range message.GetEndpoints() {
			n += len(group.GetLbEndpoints())
		}
		if had := p.endpoints[res.Name]; had > 0 && n == 0 {
			p.mayBeEmpty(p.node, res.Name)
		}
		p.endpoints[res.Name] = n
		p.owed[res.Name] = max(p.owed[res.Name]-1, 0)
	case cache.Listener:
		var message listenerv3.Listener
		p.decode(res.GetResource(), &message)
		p.listeners[res.Name] = p.routesOf(&message)
	case cache.Route:
		var message routev3.RouteConfiguration
		p.decode(res.GetResource(), &message)
		p.routes[res.Name] = clustersOf(&message)
		p.areComplete(res.Name)
	}
	p.has[t][res.Name] = res.Version
}

func (p *proxy) decode(packed *anypb.Any, into proto.Message) {
	if err := packed.UnmarshalTo(into); err != nil {
		p.t.Errorf("%s: %v", p.node, err)
	}
}

// routesOf are those of the connection managers.
func (p *proxy) routesOf(listener *listenerv3.Listener) []string {
	var names []string
	for _, chain := range append(listener.GetFilterChains(), listener.GetDefaultFilterChain()) {
		for _, filter := range chain.GetFilters() {
			if filter.GetName() == "envoy.filters.network.http_connection_manager" {
				var manager hcmv3.HttpConnectionManager
				p.decode(filter.GetTypedConfig(), &manager)
				names = append(names, manager.GetRds().GetRouteConfigName())
			}
		}
	}
	return names
}

// clustersOf are those that the routes lead to.
func clustersOf(routes *routev3.RouteConfiguration) []string {
	var names []string
	for _, host := range routes.GetVirtualHosts() {
		for _, route := range host.GetRoutes() {
			if name := route.GetRoute().GetCluster(); name != "" {
				names = append(names, name)
			}
			for _, weighted := range route.GetRoute().GetWeightedClusters().GetClusters() {
				names = append(names, weighted.GetName())
			}
		}
	}
	return names
}

// areComplete demands that the proxy has all clusters that a route names, each with its endpoints.
func (p *proxy) areComplete(route string) {
	for _, cluster := range p.routes[route] {
		_, has := p.has[cache.Cluster][cluster]
		_, warm := p.endpoints[cluster] // Also when it was said to be gone: Envoy keeps what it has.
		if p.has[cache.Route][route] == "" && p.hasRefused(cluster) {
			continue // It asked for the route, which is answered.
		}
		if !has || !warm && strings.HasPrefix(cluster, "outbound|") {
			p.t.Errorf("%s: route %s names %s: there %t, with its endpoints %t", p.node, route, cluster, has, warm)
		}
	}
}

// hasRefused reports whether the proxy refused any form of a cluster or its assignment.
func (p *proxy) hasRefused(cluster string) bool {
	for what, refused := range p.judged {
		if refused && what.name == cluster {
			return true
		}
	}
	return false
}

// drop takes a resource away.
func (p *proxy) drop(t cache.Type, name string) {
	delete(p.has[t], name)
	switch t {
	case cache.Cluster:
		for route, clusters := range p.routes {
			if _, has := p.has[cache.Route][route]; has && slices.Contains(clusters, name) {
				p.t.Errorf("%s: cluster %s goes, and route %s names it", p.node, name, route)
			}
		}
	}
}

// ask asks for what is needed now, and gives up what nothing needs any more.
func (p *proxy) ask(t cache.Type, needed []string) {
	next := cache.Endpoints
	switch t {
	case cache.Listener:
		next = cache.Route
	case cache.Endpoints:
		p.listen()
		return
	case cache.Route:
		return
	}
	needs := p.needs(t)
	switch {
	case p.wanted[next]:
		p.subscribe(next, needs, needed)
	case len(needs) > 0: // Without names it would ask for all.
		p.open(next)
	case t == cache.Cluster:
		p.listen()
	}
}

// listen asks for listeners, once there is no cluster to wait for.
func (p *proxy) listen() {
	if !p.wanted[cache.Listener] {
		p.open(cache.Listener)
	}
}

// subscribe says what is needed of a type besides, and no longer.
func (p *proxy) subscribe(next cache.Type, needs, needed []string) {
	r := &discoveryv3.DeltaDiscoveryRequest{
		TypeUrl: next.URL(), ResourceNamesSubscribe: without(needs, needed), ResourceNamesUnsubscribe: without(needed, needs),
	}
	for _, name := range r.ResourceNamesSubscribe {
		if next == cache.Endpoints && p.given[name] {
			p.owed[name]++
		}
	}
	for _, name := range r.ResourceNamesUnsubscribe {
		delete(p.has[next], name)
		if next == cache.Endpoints {
			delete(p.endpoints, name)
			p.given[name] = true
		}
	}
	if len(r.ResourceNamesSubscribe)+len(r.ResourceNamesUnsubscribe) > 0 {
		p.say(r)
	}
}

func without(names, some []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return slices.Contains(some, n) })
}
