package feed

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy"
	"outrigger.dev/outrigger/xds/build"
)

// pending is what was offered and not applied yet, merged key by key.
type pending struct {
	updates map[discovery.SourceID]*discovery.Update
	rules   policy.Update
	// revision is the last one that was offered.
	revision string
	// readAt are the times of all that was merged.
	readAt []time.Time
}

func newPending() *pending {
	return &pending{
		updates: map[discovery.SourceID]*discovery.Update{},
		rules: policy.Update{
			Mesh:    map[discovery.ObjectID]*policy.MeshRule{},
			Proxies: map[discovery.ObjectID]*policy.ProxyRule{},
			Peers:   map[discovery.ObjectID]*policy.PeerRule{},
		},
	}
}

// add merges an input; it goes over what is there.
func (p *pending) add(in Input) {
	u := p.of(in.Update.Source)
	maps.Copy(u.Services, in.Update.Services)
	maps.Copy(u.Endpoints, in.Update.Endpoints)
	maps.Copy(u.Workloads, in.Update.Workloads)
	maps.Copy(p.rules.Mesh, in.Rules.Mesh)
	maps.Copy(p.rules.Proxies, in.Rules.Proxies)
	maps.Copy(p.rules.Peers, in.Rules.Peers)
	p.revision = cmp.Or(in.Revision, p.revision)
	if !in.ReadAt.IsZero() {
		p.readAt = append(p.readAt, in.ReadAt)
	}
}

func (p *pending) of(source discovery.SourceID) *discovery.Update {
	u := p.updates[source]
	if u == nil {
		u = &discovery.Update{
			Source:    source,
			Services:  map[discovery.ServiceID]*discovery.Service{},
			Endpoints: map[discovery.ShardID]*discovery.EndpointSet{},
			Workloads: map[discovery.WorkloadID]*discovery.Workload{},
		}
		p.updates[source] = u
	}
	return u
}

// batch returns all that is left, in the order of the sources, with retirements that are over.
func (p *pending) batch(retire []build.Retirement) build.Batch {
	b := build.Batch{Retire: retire}
	if p == nil {
		return b
	}
	for _, u := range p.updates {
		b.Updates = append(b.Updates, *u)
	}
	slices.SortFunc(b.Updates, func(x, y discovery.Update) int {
		return cmp.Or(strings.Compare(x.Source.Kind, y.Source.Kind), strings.Compare(x.Source.Name, y.Source.Name))
	})
	b.Rules = []policy.Update{p.rules}
	return b
}

// isEmpty reports whether nothing is left.
func (p *pending) isEmpty() bool {
	if p == nil {
		return true
	}
	for _, u := range p.updates {
		if len(u.Services)+len(u.Endpoints)+len(u.Workloads) > 0 {
			return false
		}
	}
	return len(p.rules.Mesh)+len(p.rules.Proxies)+len(p.rules.Peers) == 0
}
