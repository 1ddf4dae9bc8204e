package translate_test

import (
	"net/netip"
	"testing"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy"
	"outrigger.dev/outrigger/policy/ir"
	"outrigger.dev/outrigger/xds/cache"
	"outrigger.dev/outrigger/xds/translate"
)

// wireBudget is what one service more may cost each stream, in bytes.
const wireBudget = 5 << 10

// serviceResources are those that one service port with two endpoints in the mesh adds to a proxy.
func serviceResources(protocol discovery.Protocol) []translate.Resource {
	svc := &discovery.Service{
		ID:    discovery.ServiceID{Namespace: "shop-production", Name: "recommendations"},
		VIPs:  []netip.Addr{netip.MustParseAddr("10.96.200.117")},
		Ports: []discovery.ServicePort{{Port: 8080, Protocol: protocol}},
	}
	mesh := func(*discovery.Endpoint) policy.Peer { return policy.Peer{Mesh: true} }
	endpoints := policy.ResolveEndpoints(svc.ID, 8080, []discovery.Endpoint{
		{Address: netip.MustParseAddrPort("10.244.101.17:8080"), Weight: 1},
		{Address: netip.MustParseAddrPort("10.244.102.18:8080"), Weight: 1},
	}, mesh)
	peers := ir.Peers{Identities: []string{"spiffe://cluster.local/ns/shop-production/sa/recommendations"}}
	out := []translate.Resource{
		translate.Cluster(policy.ResolveUpstream(svc, svc.Ports[0], peers)), translate.Endpoints(endpoints),
	}
	for _, o := range policy.ResolveVIPs(svc) {
		out = append(out, translate.Outbound(&o)...)
	}
	return out
}

func TestOneServiceMoreIsSmall(t *testing.T) {
	for _, protocol := range []discovery.Protocol{discovery.Detect, discovery.HTTP, discovery.GRPC, discovery.TCP} {
		total := 0
		for _, r := range serviceResources(protocol) {
			body, err := translate.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			size := len(cache.NewResource(cache.ResourceConfig{Type: r.Type, Name: r.Name, Body: body}).Chunk())
			t.Logf("%s: %s takes %d bytes", protocol, r.Type, size)
			total += size
		}
		t.Logf("%s: %d bytes together", protocol, total)
		if total >= wireBudget {
			t.Errorf("%s: one service takes %d bytes, the limit is %d", protocol, total, wireBudget)
		}
	}
}

func BenchmarkTranslateService(b *testing.B) {
	for b.Loop() {
		for _, r := range serviceResources(discovery.HTTP) {
			if _, err := translate.Marshal(r); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkAppendAssignment(b *testing.B) {
	e := &ir.Endpoints{Service: discovery.ServiceID{Namespace: "shop", Name: "cart"}, Port: 80, Groups: []ir.EndpointGroup{{Mesh: true}}}
	for i := range 10 {
		e.Groups[0].Endpoints = append(e.Groups[0].Endpoints, ir.Endpoint{
			Address: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 244, 101, byte(i)}), 8080), Weight: 1,
		})
	}
	b.ReportAllocs()
	for b.Loop() {
		translate.AppendAssignment(nil, e)
	}
}
