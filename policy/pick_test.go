package policy_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy"
	"outrigger.dev/outrigger/policy/ir"
)

func object(name string) discovery.ObjectID {
	return discovery.ObjectID{Kind: "AuthenticationPolicy", Namespace: "shop", Name: name}
}

func cart(labels map[string]string) *discovery.Workload {
	return &discovery.Workload{
		ID: discovery.WorkloadID{Namespace: "shop", Name: "cart-1"}, ServiceAccount: "cart", Sidecar: true, Labels: labels,
	}
}

func TestSelector(t *testing.T) {
	w := cart(map[string]string{"app": "cart", "empty": ""})
	for name, tc := range map[string]struct {
		selector policy.Selector
		workload *discovery.Workload
		want     bool
	}{
		"no labels, same namespace":  {policy.Selector{Namespace: "shop"}, w, true},
		"no labels, other namespace": {policy.Selector{Namespace: "blog"}, w, false},
		"the label":                  {policy.Selector{Namespace: "shop", Labels: []policy.Label{{Key: "app", Value: "cart"}}}, w, true},
		"another value":              {policy.Selector{Namespace: "shop", Labels: []policy.Label{{Key: "app", Value: "web"}}}, w, false},
		"one of two": {policy.Selector{Namespace: "shop", Labels: []policy.Label{
			{Key: "app", Value: "cart"}, {Key: "tier", Value: "back"},
		}}, w, false},
		"an empty value that is there":     {policy.Selector{Namespace: "shop", Labels: []policy.Label{{Key: "empty"}}}, w, true},
		"an empty value that is not there": {policy.Selector{Namespace: "shop", Labels: []policy.Label{{Key: "none"}}}, w, false},
		"no workload":                      {policy.Selector{}, nil, false},
	} {
		if got := tc.selector.Matches(tc.workload); got != tc.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// TestPick: labels go before none, then the first object, whatever the order in which the rules come.
func TestPick(t *testing.T) {
	w := cart(map[string]string{"app": "cart"})
	all := policy.Selector{Namespace: "shop"}
	app := policy.Selector{Namespace: "shop", Labels: []policy.Label{{Key: "app", Value: "cart"}}}
	other := policy.Selector{Namespace: "shop", Labels: []policy.Label{{Key: "app", Value: "web"}}}
	rules := []*policy.PeerRule{
		{Object: object("a"), Selector: all},
		{Object: object("b"), Selector: other},
		{Object: object("c"), Selector: app},
		{Object: object("d"), Selector: app},
	}
	proxies := make([]*policy.ProxyRule, len(rules))
	for i, r := range rules {
		proxies[i] = &policy.ProxyRule{Object: r.Object, Selector: r.Selector}
	}
	for range 20 {
		rand.Shuffle(len(rules), func(i, j int) {
			rules[i], rules[j] = rules[j], rules[i]
			proxies[i], proxies[j] = proxies[j], proxies[i]
		})
		if got := policy.PickPeer(rules, w); got.Object.Name != "c" {
			t.Fatalf("peer rule %s", got.Object)
		}
		if got := policy.PickProxy(proxies, w); got.Object.Name != "c" {
			t.Fatalf("proxy rule %s", got.Object)
		}
		if got := policy.PickPeer(rules, cart(nil)); got.Object.Name != "a" {
			t.Fatalf("peer rule without labels %s", got.Object)
		}
	}
	if got := policy.PickPeer(rules, &discovery.Workload{ID: discovery.WorkloadID{Namespace: "blog"}}); got != nil {
		t.Errorf("a rule of another namespace: %s", got.Object)
	}
}

func TestPickMesh(t *testing.T) {
	first := &policy.MeshRule{Object: discovery.ObjectID{Kind: "MeshConfig", Name: "a"}}
	second := &policy.MeshRule{Object: discovery.ObjectID{Kind: "MeshConfig", Name: "b"}}
	if got := policy.PickMesh([]*policy.MeshRule{second, first}); got != first {
		t.Errorf("%s", got.Object)
	}
	if got := policy.PickMesh(nil); got != nil {
		t.Errorf("%s", got.Object)
	}
}

func TestModeOf(t *testing.T) {
	mesh := &policy.MeshRule{DefaultMode: ir.Strict}
	peer := &policy.PeerRule{Mode: ir.Disabled, Ports: []policy.PortMode{{Port: 8080, Mode: ir.Strict}}}
	for name, tc := range map[string]struct {
		mesh *policy.MeshRule
		peer *policy.PeerRule
		port uint16
		want ir.MTLSMode
	}{
		"no rules":         {nil, nil, 80, policy.DefaultMode},
		"the mesh's":       {mesh, nil, 80, ir.Strict},
		"the workload's":   {mesh, peer, 80, ir.Disabled},
		"the port's":       {nil, peer, 8080, ir.Strict},
		"a mesh-wide none": {&policy.MeshRule{}, nil, 80, ir.Permissive},
	} {
		if got := policy.ModeOf(tc.mesh, tc.peer, tc.port); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}

func TestPeerOf(t *testing.T) {
	bare := cart(nil)
	bare.Sidecar = false
	mesh := policy.Peer{Mesh: true, Identity: "spiffe://example.org/ns/shop/sa/cart"}
	for name, tc := range map[string]struct {
		workload *discovery.Workload
		mode     ir.MTLSMode
		want     policy.Peer
	}{
		"permissive": {cart(nil), ir.Permissive, mesh},
		"strict":     {cart(nil), ir.Strict, mesh},
		"disabled":   {cart(nil), ir.Disabled, policy.Peer{}},
		"no sidecar": {bare, ir.Strict, policy.Peer{}},
		"nobody":     {nil, ir.Strict, policy.Peer{}},
	} {
		if got := policy.PeerOf(tc.workload, tc.mode, "example.org"); got != tc.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestScopeHoldsEveryEgress: what a proxy has a listener for, it sees.
func TestScopeHoldsEveryEgress(t *testing.T) {
	name := rapid.SampledFrom([]string{"a", "b", "c"})
	anyName := rapid.SampledFrom([]string{"a", "b", "*"})
	rapid.Check(t, func(t *rapid.T) {
		rule := &policy.ProxyRule{Explicit: rapid.Bool().Draw(t, "explicit")}
		for range rapid.IntRange(0, 4).Draw(t, "egress") {
			rule.Egress = append(rule.Egress, policy.EgressListener{
				Service: discovery.ServiceID{Namespace: name.Draw(t, "namespace"), Name: name.Draw(t, "name")},
			})
		}
		if rapid.Bool().Draw(t, "declared") {
			rule.Scope.Declared = true
			for range rapid.IntRange(0, 4).Draw(t, "services") {
				rule.Scope.Services = append(rule.Scope.Services, discovery.ServiceID{
					Namespace: anyName.Draw(t, "namespace"), Name: anyName.Draw(t, "name"),
				})
			}
		}
		sees := scopeOf(rule)
		for _, e := range rule.Egress {
			if !sees(e.Service) {
				t.Fatalf("%+v: %s is out of scope", rule, e.Service)
			}
		}
		declared := func(id discovery.ServiceID) bool {
			for _, s := range rule.Scope.Services {
				if (s.Namespace == "*" || s.Namespace == id.Namespace) && (s.Name == "*" || s.Name == id.Name || s.Namespace == "*") {
					return true
				}
			}
			return false
		}
		elsewhere := discovery.ServiceID{Namespace: "a", Name: "elsewhere"}
		want := !rule.Explicit && !rule.Scope.Declared || declared(elsewhere)
		if sees(elsewhere) != want {
			t.Fatalf("%+v: %s in scope is %t", rule, elsewhere, !want)
		}
	})
}

func scopeOf(rule *policy.ProxyRule) func(discovery.ServiceID) bool {
	all, namespaces, services := policy.ResolveScope(rule)
	return func(id discovery.ServiceID) bool {
		return all || slices.Contains(namespaces, id.Namespace) || slices.Contains(services, id)
	}
}
