package hold

import (
	"maps"
	"net/netip"
	"time"

	"outrigger.dev/outrigger/discovery"
)

// Keeper decides what of one source's word is believed. It is a state machine: time is an argument, and a second read
// is asked for and told. It has one writer.
type Keeper struct {
	source discovery.SourceID
	reads  Reads
	mood

	services   kind[discovery.ServiceID, discovery.Service]
	workloads  kind[discovery.WorkloadID, discovery.Workload]
	nodes      kind[string, discovery.Node]
	namespaces kind[string, discovery.Namespace]
	places     places

	// shards are what was sent; held are those of them that are not what the registry says.
	shards map[discovery.ShardID]*discovery.EndpointSet
	held   map[discovery.ShardID]*shard
	// endpoints counts those in shards, heldEndpoints those of them that are held, and refs and addresses these by their
	// workload and address.
	endpoints, heldEndpoints int
	refs                     map[discovery.WorkloadID]int
	addresses                map[netip.AddrPort]int
	// contradicted counts the held shards that a second read still had.
	contradicted int
	window       window
	counts       Counts
}

// NewKeeper returns a Keeper of a source that told nothing yet, with the second reads that can be had.
func NewKeeper(source discovery.SourceID, reads Reads) *Keeper {
	k := &Keeper{
		source: source, reads: reads,
		services:   newKind[discovery.ServiceID](fifth, (*discovery.Service).Equal),
		workloads:  newKind[discovery.WorkloadID](fifth, (*discovery.Workload).Equal),
		nodes:      newKind[string](fifth, (*discovery.Node).Equal),
		namespaces: newKind[string](fifth, (*discovery.Namespace).Equal),
		places:     newPlaces(),
		shards:     map[discovery.ShardID]*discovery.EndpointSet{},
		held:       map[discovery.ShardID]*shard{},
		refs:       map[discovery.WorkloadID]int{},
		addresses:  map[netip.AddrPort]int{},
		window:     window{shards: map[discovery.ShardID]*tally{}},
	}
	k.nodes.gone = k.places.bury
	k.services.relist.can, k.workloads.relist.can = reads.Services, reads.Workloads
	return k
}

// fifth is the share of a mass among all that a source gives.
const fifth = 5

// Apply takes in what the source says. It returns what is believed of it, and what is to be read a second time. As
// long as the source is healthy that is the update itself.
func (k *Keeper) Apply(now time.Time, u discovery.Update) (discovery.Update, []Question) {
	before, after := k.told(now, u.Trouble, u.Synced)
	k.places.now = now
	if before == quiet && after == quiet && !k.holding() {
		k.close()
		k.pass(u)
		return u, nil
	}
	if before == quiet && after == doubt {
		k.open()
	}
	b := k.batch(now, after)
	b.out.Synced = u.Synced && !k.synced
	b.out.Problems, b.out.ReadAt = u.Problems, u.ReadAt
	k.synced = k.synced || u.Synced
	b.apply(u, before == doubt && after != doubt)
	return b.done(), b.asked()
}

// pass takes over what a healthy source says.
func (k *Keeper) pass(u discovery.Update) {
	k.synced = k.synced || u.Synced
	k.services.pass(u.Services)
	k.workloads.pass(u.Workloads)
	k.nodes.pass(u.Nodes)
	k.namespaces.pass(u.Namespaces)
	k.places.stale = k.places.stale || len(u.Nodes) > 0
	for id, set := range u.Endpoints {
		k.endpoints += size(set) - size(k.shards[id])
		if set == nil {
			delete(k.shards, id)
			continue
		}
		k.shards[id] = set
	}
}

// open begins to count what is lost.
func (k *Keeper) open() {
	k.services.open()
	k.workloads.open()
	k.nodes.open()
	k.namespaces.open()
	clear(k.window.shards)
	k.window.base, k.window.passed = k.endpoints, 0
}

// close forgets what was counted once nothing depends on it any more.
func (k *Keeper) close() {
	if len(k.window.shards)+len(k.services.passed)+len(k.workloads.passed)+len(k.nodes.passed)+len(k.namespaces.passed) > 0 {
		k.open()
	}
}

func (k *Keeper) holding() bool {
	return len(k.held)+len(k.services.missing)+len(k.workloads.missing)+len(k.nodes.missing)+len(k.namespaces.missing) > 0
}

// Confirmed takes in a second read of a service's endpoints, as the source's Confirm returned it. What is held and was
// not in it goes; what was in it stays, and is read again.
func (k *Keeper) Confirmed(now time.Time, id discovery.ServiceID, set *discovery.EndpointSet, err error) discovery.Update {
	b := k.batch(now, k.phase(now))
	shardID := discovery.ShardID{Service: id, Source: k.source}
	sh := k.held[shardID]
	switch {
	case b.phase == doubt || sh == nil:
		// Trouble began anew, or what was asked for has come back.
	case err != nil:
		k.counts.Failed++
	default:
		b.confirmed(shardID, sh, set)
	}
	return b.done()
}

// ConfirmedServices takes in a second list of all services, as the source's ConfirmServices returned it. Those that are held and
// not in it go; those in it stay, and are asked for again.
func (k *Keeper) ConfirmedServices(now time.Time, ids []discovery.ServiceID, err error) discovery.Update {
	b := k.batch(now, k.phase(now))
	k.services.confirm(b.serviceVerdict(), list[discovery.ServiceID]{keys: ids, err: err}, &k.counts, b.out.Services)
	return b.done()
}

// ConfirmedWorkloads does for workloads what ConfirmedServices does for services.
func (k *Keeper) ConfirmedWorkloads(now time.Time, ids []discovery.WorkloadID, err error) discovery.Update {
	b := k.batch(now, k.phase(now))
	k.workloads.confirm(b.workloadVerdict(), list[discovery.WorkloadID]{keys: ids, err: err}, &k.counts, b.out.Workloads)
	return b.done()
}

// Due lets go what lasted for long enough, and returns what is to be read again.
func (k *Keeper) Due(now time.Time) (discovery.Update, []Question) {
	b := k.batch(now, k.phase(now))
	if b.phase != doubt {
		b.due()
	}
	return b.done(), b.asked()
}

// Deadline returns when Due has something to do; false: not without an update.
func (k *Keeper) Deadline(now time.Time) (time.Time, bool) {
	if k.phase(now) == doubt || !k.holding() {
		return time.Time{}, false
	}
	var first time.Time
	some := false
	consider := func(at time.Time, wanted bool) {
		if wanted && (!some || at.Before(first)) {
			first, some = at, true
		}
	}
	for _, sh := range k.held {
		consider(sh.clock.Add(Patience), true)
		consider(sh.ask, k.reads.Endpoints)
	}
	consider(k.services.due())
	consider(k.workloads.due())
	consider(k.nodes.due())
	consider(k.namespaces.due())
	return first, some
}

// State is all that a source gives, as far as it is believed.
type State struct {
	Services   map[discovery.ServiceID]*discovery.Service
	Endpoints  map[discovery.ShardID]*discovery.EndpointSet
	Workloads  map[discovery.WorkloadID]*discovery.Workload
	Nodes      map[string]*discovery.Node
	Namespaces map[string]*discovery.Namespace
}

// State returns what was sent, held values included. The maps are the caller's.
func (k *Keeper) State() State {
	return State{
		Services: maps.Clone(k.services.sent), Endpoints: maps.Clone(k.shards),
		Workloads: maps.Clone(k.workloads.sent), Nodes: maps.Clone(k.nodes.sent), Namespaces: maps.Clone(k.namespaces.sent),
	}
}

// Succeed begins with the state of a source in whose place this one is: the same registry, configured anew. It is to be called
// before anything else.
func (k *Keeper) Succeed(now time.Time, s State) discovery.Update {
	k.succeeds = true
	return k.Restore(now, now, s)
}

// Restore begins with what was written to a file at that time, and returns the first update. All of it is held until the
// source has told its own state. It is to be called before anything else.
func (k *Keeper) Restore(now, written time.Time, s State) discovery.Update {
	k.lastGood, k.since, k.synced, k.places.now = written, now, true, now
	k.services.restore(now, s.Services)
	k.workloads.restore(now, s.Workloads)
	k.nodes.restore(now, s.Nodes)
	k.namespaces.restore(now, s.Namespaces)
	for id, set := range s.Endpoints {
		k.shards[id] = set
		k.endpoints += size(set)
		sh := newShard(now)
		for _, l := range losses(set, nil, func(uint16) bool { return true }) {
			l.since, l.restored = now, true
			k.hold(sh, l)
		}
		k.held[id] = sh
	}
	k.open()
	k.places.look(&k.nodes)
	state := k.State()
	return discovery.Update{
		Source: k.source, Synced: true, Trouble: k.tell(),
		Services: state.Services, Endpoints: state.Endpoints, Workloads: state.Workloads, Nodes: state.Nodes, Namespaces: state.Namespaces,
	}
}
