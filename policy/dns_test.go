package policy_test

import (
	"net/netip"
	"testing"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy"
	"outrigger.dev/outrigger/policy/ir"
)

// TestDNSKeepsWhatItIsGiven: of an instance with several addresses one goes into the cluster, and what the
// caller has stays whole.
func TestDNSKeepsWhatItIsGiven(t *testing.T) {
	t.Parallel()
	dual := ir.Endpoint{Address: netip.MustParseAddrPort("10.0.0.1:80"), Additional: []netip.AddrPort{netip.MustParseAddrPort("[fd00::1]:80")}}
	endpoints := &ir.Endpoints{Groups: []ir.EndpointGroup{{Endpoints: []ir.Endpoint{dual}}}}
	if policy.ResolveDNS(endpoints) != nil {
		t.Error("addresses alone are resolved by DNS")
	}
	named := policy.AddHosts(endpoints, []discovery.Host{{Name: "a.example", Port: 80}})
	if len(endpoints.Groups[0].Hosts) != 0 || len(named.Groups) != 1 || len(named.Groups[0].Hosts) != 1 || named.Groups[0].Hosts[0].Weight != 1 {
		t.Errorf("the groups are %+v and were %+v", named.Groups, endpoints.Groups)
	}
	dns := policy.ResolveDNS(named)
	if len(dns.Endpoints.Groups[0].Endpoints[0].Additional) != 0 || len(named.Groups[0].Endpoints[0].Additional) != 1 {
		t.Errorf("the cluster has %+v of %+v", dns.Endpoints.Groups, named.Groups)
	}
}

// TestHostsStandAlone: a name without an address beside it gets a group of its own, before all others.
func TestHostsStandAlone(t *testing.T) {
	t.Parallel()
	endpoints := &ir.Endpoints{Groups: []ir.EndpointGroup{{Mesh: true}, {Locality: discovery.Locality{Zone: "a"}}}}
	groups := policy.AddHosts(endpoints, []discovery.Host{{Name: "a.example", Port: 80}}).Groups
	if len(groups) != 3 || len(groups[0].Hosts) != 1 || !groups[1].Mesh || len(endpoints.Groups) != 2 {
		t.Errorf("the groups are %+v", groups)
	}
}

// TestGRPCResolvesOneName: the healthiest, and only where no address is to be had.
func TestGRPCResolvesOneName(t *testing.T) {
	t.Parallel()
	hosts := []discovery.Host{{Name: "a", Port: 80, Health: discovery.Unhealthy}, {Name: "b", Port: 80, Weight: 9}, {Name: "c", Port: 80}}
	plain := ir.Peers{Plain: true}
	only := policy.ResolveGRPCEndpoints(policy.AddHosts(&ir.Endpoints{}, hosts), plain)
	if len(only.Groups) != 1 || len(only.Groups[0].Hosts) != 1 || only.Groups[0].Hosts[0] != (ir.Host{Name: "b", Port: 80, Weight: 1}) {
		t.Errorf("of names alone %+v", only.Groups)
	}
	address := ir.EndpointGroup{Endpoints: []ir.Endpoint{{Address: netip.MustParseAddrPort("10.0.0.1:80"), Weight: 1}}}
	both := policy.ResolveGRPCEndpoints(policy.AddHosts(&ir.Endpoints{Groups: []ir.EndpointGroup{address}}, hosts), plain)
	if len(both.Groups) != 1 || len(both.Groups[0].Hosts) != 0 || len(both.Groups[0].Endpoints) != 1 {
		t.Errorf("beside an address %+v", both.Groups)
	}
	mesh := policy.ResolveGRPCEndpoints(policy.AddHosts(&ir.Endpoints{}, hosts), ir.Peers{Identities: []string{"spiffe://a"}})
	if len(mesh.Groups) != 0 {
		t.Errorf("by mesh mTLS %+v", mesh.Groups)
	}
}
