package translate_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"testing"
	"time"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/discovery/merge"
	"outrigger.dev/outrigger/policy"
	"outrigger.dev/outrigger/policy/ir"
)

// TestSharesAreKept: requests divide as weights say, whatever the load, in both forms of cluster.
func TestSharesAreKept(t *testing.T) {
	p := newPair(t)
	own, joined := httpApp(t, "own"), httpApp(t, "joined")
	share := uint8(30)
	for name, group := range map[string]ir.EndpointGroup{
		"fetched": {Endpoints: []ir.Endpoint{{Address: own, Weight: 7}, {Address: joined, Weight: 3}}},
		"named":   {Endpoints: []ir.Endpoint{{Address: own, Weight: 7}}, Hosts: []ir.Host{{Name: "a.localhost", Port: joined.Port(), Weight: 3}}},
	} {
		slices.SortFunc(group.Endpoints, func(a, b ir.Endpoint) int { return a.Address.Compare(b.Address) })
		p.service(name, discovery.HTTP, ir.Peers{Plain: true}, group)
		svc := serviceOf(name, discovery.HTTP)
		svc.Join = &discovery.Join{Kind: "consul", Name: name, Share: &share}
		p.replace(upstream(svc, ir.Peers{Plain: true}, []ir.EndpointGroup{group})...)
	}
	p.start()
	for _, name := range []string{"fetched", "named"} {
		const requests = 400
		seen := map[string]int{}
		for range requests {
			got, err := get(t, p.reach[name], 1, nil)
			if err != nil || got.status != http.StatusOK {
				t.Fatal(got, err)
			}
			seen[got.header.Get("Server")]++
		}
		// Each worker of Envoy starts somewhere in its turn.
		if percent := seen["joined"] * 100 / requests; percent < 27 || percent > 33 {
			t.Errorf("%s: %v of %d, want 30 %%", name, seen, requests)
		}
	}
}

// registries are two that say a service, joined with a share.
type registries struct {
	merge  *merge.Merge
	shards map[discovery.ShardID]*discovery.EndpointSet
	value  *discovery.Service
}

// endpoint is the only one of a registry; it has the weight of a great machine.
func (r *registries) endpoint(source discovery.SourceID, id discovery.ServiceID, join *discovery.Join, at netip.AddrPort) {
	shard := discovery.ShardID{Service: id, Source: source}
	r.apply(r.merge.Apply(discovery.Update{
		Source: source,
		Services: map[discovery.ServiceID]*discovery.Service{id: {
			ID: id, Join: join, Ports: []discovery.ServicePort{{Port: servicePort, Protocol: discovery.HTTP}},
		}},
		Endpoints: map[discovery.ShardID]*discovery.EndpointSet{shard: {ID: shard, Ports: []discovery.PortEndpoints{
			{Port: servicePort, Endpoints: []discovery.Endpoint{{Address: at, Weight: uint32(len(source.Kind))}}},
		}}},
	}))
}

func (r *registries) apply(c merge.Changes) {
	for _, u := range c.Updates {
		maps.Copy(r.shards, u.Endpoints)
		for _, value := range u.Services {
			if value.ID.Name == "shared" {
				r.value = value
			}
		}
	}
}

// groups are the endpoints that are not idle.
func (r *registries) groups() []ir.EndpointGroup {
	var groups []ir.EndpointGroup
	for id, set := range r.shards {
		if e := set.Ports[0].Endpoints; id.Service == r.value.ID && !e[0].Idle {
			groups = append(groups, policy.ResolveEndpoints(id.Service, servicePort, e, func(*discovery.Endpoint) policy.Peer { return policy.Peer{} }).Groups...)
		}
	}
	if len(groups) == 2 {
		both := append(groups[0].Endpoints, groups[1].Endpoints...)
		slices.SortFunc(both, func(a, b ir.Endpoint) int { return a.Address.Compare(b.Address) })
		return []ir.EndpointGroup{{Endpoints: both}}
	}
	return groups
}

// TestSharesMove: traffic goes from one registry to the other, step by step and back, and no request fails.
func TestSharesMove(t *testing.T) {
	p := newPair(t)
	own, joined := httpApp(t, "own"), httpApp(t, "joined")
	r := &registries{merge: merge.New(), shards: map[discovery.ShardID]*discovery.EndpointSet{}}
	id := discovery.ServiceID{Namespace: "shop", Name: "shared"}
	move := func(share uint8) {
		join := &discovery.Join{Kind: "consul", Name: "other", Share: &share}
		r.endpoint(discovery.SourceID{Kind: "kubernetes", Name: "main"}, id, join, own)
	}
	move(0)
	r.endpoint(discovery.SourceID{Kind: "consul", Name: "dc1"}, discovery.ServiceID{Namespace: "consul", Name: "other"}, nil, joined)
	p.service("shared", discovery.HTTP, ir.Peers{Plain: true}, r.groups()...)
	p.replace(upstream(r.value, ir.Peers{Plain: true}, r.groups())...)
	p.start()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	for _, share := range []uint8{0, 5, 50, 95, 100, 50, 0} {
		move(share)
		p.replace(upstream(r.value, ir.Peers{Plain: true}, r.groups())...)
		p.plane.publish("shop/web-1", webID, p.client)
		switch share {
		case 0:
			if err := p.reaches(ctx, "shared", "own"); err != nil {
				t.Fatal(err)
			}
		case 100:
			if err := p.reaches(ctx, "shared", "joined"); err != nil {
				t.Fatal(err)
			}
		default:
			if err := p.divides(ctx, "shared", "joined", int(share)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// divides asks until an application has answered its percentage of a hundred requests. Every answer has to be a good one.
func (p *pair) divides(ctx context.Context, service, app string, percent int) error {
	for {
		seen := 0
		for range 100 {
			got, err := get(p.t, p.reach[service], 1, nil)
			if err != nil || got.status != http.StatusOK {
				return fmt.Errorf("%s: %v %w", service, got, err)
			}
			if got.header.Get("Server") == app {
				seen++
			}
		}
		if seen >= percent-5 && seen <= percent+5 {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("%s answers %d of 100, not %d: %w", app, seen, percent, err)
		}
	}
}
