package policy_test

import (
	"net/netip"
	"slices"
	"testing"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy"
	"outrigger.dev/outrigger/policy/ir"
)

// TestZones: which endpoints a zone has first, of one in each of the zones east and west.
func TestZones(t *testing.T) {
	t.Parallel()
	share := uint8(30)
	for _, test := range []struct {
		name        string
		near        discovery.Distribution
		join        *discovery.Join
		east, west  []string
		hosts       []discovery.Host
		zone, first string
		zoned       bool
	}{
		{name: "nobody asks", zone: "east"},
		{name: "near", near: discovery.PreferSameZone, zone: "east", first: "east", zoned: true},
		{name: "on the same machine", near: discovery.PreferSameNode, zone: "west", first: "west", zoned: true},
		{name: "nowhere near", near: discovery.PreferSameZone, zone: "north", zoned: true},
		{name: "hints", east: []string{"north", "south"}, west: []string{"west"}, zone: "north", first: "east", zoned: true},
		{name: "hints go before place", near: discovery.PreferSameZone, east: []string{"west"}, west: []string{"east"}, zone: "east", first: "west", zoned: true},
		{name: "no hint is for all", east: []string{"east"}, zone: "west", first: "west", zoned: true},
		{name: "for all alike", east: []string{"east", "west"}, zone: "west", zoned: true},
		{name: "hints for others", east: []string{"east"}, west: []string{"west"}, zone: "north", zoned: true},
		{name: "a share", near: discovery.PreferSameZone, join: &discovery.Join{Share: &share}, zone: "east"},
		{name: "names", near: discovery.PreferSameZone, hosts: []discovery.Host{{Name: "a"}}, zone: "east"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			svc := &discovery.Service{ID: cartID, Distribution: test.near, Join: test.join}
			endpoints := []discovery.Endpoint{
				{Address: netip.MustParseAddrPort("10.0.0.1:80"), Zones: test.east, Locality: discovery.Locality{Zone: "east"}},
				{Address: netip.MustParseAddrPort("10.0.0.2:80"), Zones: test.west, Locality: discovery.Locality{Zone: "west"}},
			}
			if got := policy.IsZoned(svc, endpoints, test.hosts); got != test.zoned {
				t.Fatalf("zoned %t", got)
			}
			if !test.zoned {
				return
			}
			got := policy.ResolveZoneEndpoints(svc, 80, endpoints, meshOf, test.zone)
			if test.first == "" {
				if got != nil {
					t.Errorf("a form of its own: %+v", got)
				}
				return
			}
			if len(got.Groups) != 2 || got.Groups[0].Priority != 0 || got.Groups[0].Locality.Zone != test.first || got.Groups[1].Priority != 1 {
				t.Errorf("the groups are %+v", got.Groups)
			}
			if !slices.IsSortedFunc(got.Groups, func(a, b ir.EndpointGroup) int { return int(a.Priority) - int(b.Priority) }) {
				t.Error("not sorted")
			}
		})
	}
}
