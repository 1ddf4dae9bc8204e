package feed

import (
	"net/netip"
	"slices"
	"testing"

	"outrigger.dev/outrigger/discovery"
)

// TestSplit: what goes first is what only loses, and only where the rest of its service stays as it is.
func TestSplit(t *testing.T) {
	t.Parallel()
	file, kube := discovery.SourceID{Kind: "file", Name: "x"}, discovery.SourceID{Kind: "kubernetes", Name: "x"}
	service := discovery.ServiceID{Namespace: "shop", Name: "cart"}
	id, other := discovery.ShardID{Service: service, Source: file}, discovery.ShardID{Service: service, Source: kube}
	set := func(endpoints ...discovery.Endpoint) *discovery.EndpointSet {
		return &discovery.EndpointSet{ID: id, Ports: []discovery.PortEndpoints{{Port: 80, Endpoints: endpoints}}}
	}
	a, b := discovery.Endpoint{Address: netip.MustParseAddrPort("10.1.0.1:80")}, discovery.Endpoint{Address: netip.MustParseAddrPort("10.1.0.2:80")}
	draining, heavier := a, a
	draining.Health, heavier.Weight = discovery.Draining, 7
	gained := &discovery.EndpointSet{ID: other, Ports: []discovery.PortEndpoints{{Port: 80, Endpoints: []discovery.Endpoint{b}}}}

	cases := map[string]struct {
		applied, now *discovery.EndpointSet
		with         discovery.Update
		first        bool
	}{
		"one goes":                       {applied: set(a, b), now: set(b), first: true},
		"all go":                         {applied: set(a, b), now: set(), first: true},
		"the shard goes":                 {applied: set(a), now: nil, first: true},
		"one drains":                     {applied: set(a, b), now: set(draining, b), first: true},
		"one drains and one goes":        {applied: set(a, b), now: set(draining), first: true},
		"one is added":                   {applied: set(a), now: set(a, b)},
		"one takes the place of another": {applied: set(a), now: set(b)},
		"one recovers":                   {applied: set(draining), now: set(a)},
		"one changes":                    {applied: set(a, b), now: set(heavier)},
		"nothing changes":                {applied: set(a), now: set(a)},
		"a new shard":                    {now: set(a)},
		"a port is added":                {applied: set(a), now: &discovery.EndpointSet{ID: id, Ports: []discovery.PortEndpoints{{Port: 90, Endpoints: []discovery.Endpoint{a}}}}},
		"its service goes too":           {applied: set(a), now: nil, with: discovery.Update{Services: map[discovery.ServiceID]*discovery.Service{service: nil}}},
		"another source has it instead":  {applied: set(a), now: nil, with: discovery.Update{Source: kube, Endpoints: map[discovery.ShardID]*discovery.EndpointSet{other: gained}}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPending()
			p.add(Input{Update: discovery.Update{Source: file, Endpoints: map[discovery.ShardID]*discovery.EndpointSet{id: c.now}}})
			p.add(Input{Update: c.with})
			applied := map[discovery.ShardID]*discovery.EndpointSet{}
			if c.applied != nil {
				applied[id] = c.applied
			}
			first := p.split(applied)
			if _, is := first[id]; is != c.first {
				t.Errorf("goes first: %t, want %t", is, c.first)
			}
			left := slices.ContainsFunc(p.batch(nil).Updates, func(u discovery.Update) bool {
				_, is := u.Endpoints[id]
				return is
			})
			if left == c.first {
				t.Errorf("left for later: %t, want %t", left, !c.first)
			}
		})
	}
}
