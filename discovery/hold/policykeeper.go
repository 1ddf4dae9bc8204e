package hold

import (
	"maps"
	"slices"
	"time"

	"outrigger.dev/outrigger/api/v1alpha1"
	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy/compile"
)

// Shortly is how long a deletion of policies stays doubtful on a healthy watch: whoever deletes a definition deletes
// its objects first, one by one, and the trouble comes after.
const Shortly = 10 * time.Second

// PolicyKeeper is a Keeper of policy objects. A policy that is missing in trouble never opens access: its last good
// version stays.
type PolicyKeeper struct {
	source discovery.SourceID
	mood

	mesh    policies[v1alpha1.MeshConfig]
	proxies policies[v1alpha1.ProxyConfig]
	peers   policies[v1alpha1.AuthenticationPolicy]
	// kinds are the three, for what is alike for all.
	kinds  []keptKind
	counts Counts
}

// keptKind is what a PolicyKeeper does with each kind.
type keptKind interface {
	open()
	judge(now time.Time, p phase, all bool)
	restoreRecent(now time.Time)
	expire(now time.Time)
	confirmPolicies(now time.Time, p phase, l list[discovery.ObjectID], counts *Counts)
	due() (time.Time, bool)
	asks(now time.Time) bool
	name() string
	held() map[discovery.ObjectID]time.Time
}

// NewPolicyKeeper returns a PolicyKeeper of a source that told nothing yet. Confirms says that a kind can be listed again.
func NewPolicyKeeper(source discovery.SourceID, confirms bool) *PolicyKeeper {
	k := &PolicyKeeper{
		source:  source,
		mesh:    newPolicies[v1alpha1.MeshConfig]("MeshConfig", confirms),
		proxies: newPolicies[v1alpha1.ProxyConfig]("ProxyConfig", confirms),
		peers:   newPolicies[v1alpha1.AuthenticationPolicy]("AuthenticationPolicy", confirms),
	}
	k.kinds = []keptKind{&k.mesh, &k.proxies, &k.peers}
	return k
}

// Apply takes in what the source says. It returns what is believed of it, and the kinds that are to be listed again.
func (k *PolicyKeeper) Apply(now time.Time, u compile.Update) (compile.Update, []string) {
	before, after := k.told(now, u.Trouble, u.Synced)
	for _, kind := range k.kinds {
		if before == quiet && after == doubt {
			kind.open()
		}
		if before != doubt && after == doubt {
			kind.restoreRecent(now)
		}
	}
	k.mesh.take(now, u.Objects.MeshConfigs)
	k.proxies.take(now, u.Objects.ProxyConfigs)
	k.peers.take(now, u.Objects.AuthenticationPolicies)
	for _, kind := range k.kinds {
		kind.judge(now, after, before == doubt && after != doubt)
	}
	out := k.collect()
	out.Objects.Locations = k.locations(u.Objects.Locations)
	out.Problems = u.Problems
	out.Synced, out.ReadAt = u.Synced && !k.synced, u.ReadAt
	k.synced = k.synced || u.Synced
	return out, k.ask(now)
}

// locations leaves out where objects stand that are held: they stand where they stood.
func (k *PolicyKeeper) locations(told map[discovery.ObjectID]string) map[discovery.ObjectID]string {
	kept := maps.Clone(told)
	for _, kind := range k.kinds {
		for id := range kind.held() {
			delete(kept, id)
		}
	}
	return kept
}

// Confirmed takes in a second list of the objects of a kind. Those that are held and not in it go.
func (k *PolicyKeeper) Confirmed(now time.Time, name string, ids []discovery.ObjectID, err error) compile.Update {
	at := slices.IndexFunc(k.kinds, func(kind keptKind) bool { return kind.name() == name })
	if at >= 0 {
		k.kinds[at].confirmPolicies(now, k.phase(now), list[discovery.ObjectID]{keys: ids, err: err}, &k.counts)
	}
	return k.collect()
}

// Due lets go what lasted for long enough, and returns the kinds that are to be listed again.
func (k *PolicyKeeper) Due(now time.Time) (compile.Update, []string) {
	if k.phase(now) != doubt {
		for _, kind := range k.kinds {
			kind.expire(now)
		}
	}
	return k.collect(), k.ask(now)
}

func (k *PolicyKeeper) ask(now time.Time) []string {
	var names []string
	for _, kind := range k.kinds {
		if k.phase(now) != doubt && kind.asks(now) {
			names = append(names, kind.name())
		}
	}
	return names
}

// Deadline returns when Due has something to do; false: not without an update.
func (k *PolicyKeeper) Deadline(now time.Time) (time.Time, bool) {
	var first time.Time
	some := false
	if k.phase(now) == doubt {
		return first, false
	}
	for _, kind := range k.kinds {
		if at, wanted := kind.due(); wanted && (!some || at.Before(first)) {
			first, some = at, true
		}
	}
	return first, some
}

// collect returns what changed since it was last called.
func (k *PolicyKeeper) collect() compile.Update {
	return compile.Update{Source: k.source, Trouble: k.tell(), Objects: compile.Objects{
		MeshConfigs: k.mesh.changes(), ProxyConfigs: k.proxies.changes(), AuthenticationPolicies: k.peers.changes(),
	}}
}

// State returns the objects that were sent, held ones included. The maps are the caller's.
func (k *PolicyKeeper) State() compile.Objects {
	return compile.Objects{
		MeshConfigs: maps.Clone(k.mesh.sent), ProxyConfigs: maps.Clone(k.proxies.sent), AuthenticationPolicies: maps.Clone(k.peers.sent),
	}
}

// Restore begins with what was written to a file at that time, and returns the first update. It is to be called before anything else.
func (k *PolicyKeeper) Restore(now, written time.Time, objects compile.Objects) compile.Update {
	k.lastGood, k.since, k.synced = written, now, true
	k.mesh.restore(now, objects.MeshConfigs)
	k.proxies.restore(now, objects.ProxyConfigs)
	k.peers.restore(now, objects.AuthenticationPolicies)
	return compile.Update{Source: k.source, Synced: true, Trouble: k.tell(), Objects: k.State()}
}

// Status returns what is held.
func (k *PolicyKeeper) Status() Status {
	s := Status{Source: k.source, Trouble: k.trouble, LastGood: k.lastGood, Counts: k.counts}
	if k.trouble != nil {
		s.TroubleSince = k.since
	}
	for _, kind := range k.kinds {
		s.Policies = append(s.Policies, slices.Collect(maps.Keys(kind.held()))...)
		s.Since = first(s.Since, earliest(kind.held()))
	}
	slices.SortFunc(s.Policies, discovery.ObjectID.Compare)
	s.Reason = k.reason()
	return s
}

// reason says why something is held; empty: nothing is.
func (k *PolicyKeeper) reason() Reason {
	for _, kind := range k.kinds {
		if len(kind.held()) > 0 {
			return k.heldBecause()
		}
	}
	return ""
}
