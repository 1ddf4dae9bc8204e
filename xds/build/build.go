package build

import (
	"net/netip"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy"
	"outrigger.dev/outrigger/xds/cache"
)

// Layers that every mesh has; those of workload classes are "class/<hash>".
const (
	// MeshLayer holds the clusters and assignments of all services.
	MeshLayer cache.LayerID = "mesh"
	// CaptureLayer holds what capturing proxies listen on for others: virtual addresses, and the rest.
	CaptureLayer cache.LayerID = "capture"
	// GRPCLayer holds all services in the form for gRPC programs without a proxy, while there are any.
	GRPCLayer cache.LayerID = "grpc"

	classPrefix = "class/"
	// zonePrefix begins the layers of zones, "zone/<zone>": the assignments that clients there have in another form.
	zonePrefix = "zone/"
)

// Config says what a Builder needs to know beforehand.
type Config struct {
	// TrustDomain is the mesh's own, such as "cluster.local".
	TrustDomain string
}

// Builder keeps the model, the rules and what follows from them. It has a single writer.
type Builder struct {
	trustDomain string
	// cut holds the edges that a test has taken away.
	cut edgeSet

	// The records, by key. A record exists as long as something refers to it.
	services   map[discovery.ServiceID]*service
	workloads  map[discovery.WorkloadID]*workload
	namespaces map[string]*namespace
	proxies    map[discovery.ObjectID]*proxy
	peers      map[discovery.ObjectID]*policy.PeerRule
	classes    map[cache.LayerID]*class
	// claims finds the services that give a virtual address as theirs, sorted by id: the first has it.
	claims map[netip.Addr][]*service
	// zones counts the workloads that are clients, by their zones. zoned are the ports where zones matter.
	zones  map[string]int
	zoned  map[*port]*service
	mesh   mesh
	ledger ledger
	// proxyless counts the known workloads that are gRPC programs without a proxy.
	proxyless int
	// seq is the number of the last retirement.
	seq uint64

	// What the present batch made dirty, and what came out of it.
	dirty   dirty
	changes []cache.Change
	nodes   map[string]*cache.ViewSpec
	retired []Retirement
	work    Work

	// Scratch space of one resolve.
	endpoints  []discovery.Endpoint
	identities []string
}

// New returns a Builder that knows nothing yet.
func New(c Config) *Builder {
	b := &Builder{
		trustDomain: c.TrustDomain,
		services:    map[discovery.ServiceID]*service{},
		workloads:   map[discovery.WorkloadID]*workload{},
		namespaces:  map[string]*namespace{},
		proxies:     map[discovery.ObjectID]*proxy{},
		peers:       map[discovery.ObjectID]*policy.PeerRule{},
		classes:     map[cache.LayerID]*class{},
		claims:      map[netip.Addr][]*service{},
		zones:       map[string]int{},
		zoned:       map[*port]*service{},
		ledger:      newLedger(),
	}
	b.mesh.dirty, b.mesh.captureDirty = true, true
	return b
}

// Apply takes a batch in and returns what follows from it.
func (b *Builder) Apply(batch Batch) Changes {
	for i := range batch.Updates {
		b.storeUpdate(&batch.Updates[i])
	}
	for i := range batch.Rules {
		b.storeRules(&batch.Rules[i])
	}
	for _, r := range batch.Retire {
		b.retire(r)
	}
	b.resolveMesh()
	b.resolveProxies()
	b.resolveWorkloads()
	hadZones := len(b.zoned) > 0
	b.resolveServices()
	if hadZones != (len(b.zoned) > 0) {
		b.walkZonesToViews()
	}
	b.resolveViews()
	b.resolveCapture()
	b.resolveClasses()
	return b.collect()
}

func (b *Builder) storeUpdate(u *discovery.Update) {
	for id, value := range u.Services {
		b.storeService(u.Source, id, value)
	}
	for id, value := range u.Endpoints {
		b.storeShard(id, value)
	}
	for id, value := range u.Workloads {
		b.storeWorkload(u.Source, id, value)
	}
}

func (b *Builder) storeRules(u *policy.Update) {
	for id, rule := range u.Mesh {
		b.storeMesh(id, rule)
	}
	for id, rule := range u.Proxies {
		b.storeProxy(id, rule)
	}
	for id, rule := range u.Peers {
		b.storePeer(id, rule)
	}
}

// collect hands over what the batch came to and makes ready for the next one.
func (b *Builder) collect() Changes {
	c := Changes{
		Resources: ordered(b.changes), Nodes: b.nodes, Retired: b.retired,
		Problems: b.ledger.changed(), Work: b.work,
	}
	b.changes, b.nodes, b.retired, b.work = nil, nil, nil, Work{}
	return c
}
