package policy

import (
	"cmp"
	"slices"
	"strings"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy/ir"
)

// AddHosts adds endpoints that are known by names, sorted by name and port, to those of a service's port.
func AddHosts(endpoints *ir.Endpoints, hosts []discovery.Host) *ir.Endpoints {
	if len(hosts) == 0 {
		return endpoints
	}
	first := ir.EndpointGroup{Hosts: make([]ir.Host, len(hosts))}
	for i, h := range hosts {
		first.Hosts[i] = ir.Host{Name: h.Name, Port: h.Port, Weight: max(h.Weight, 1), Health: h.Health}
	}
	out := *endpoints
	rest := out.Groups
	if len(rest) > 0 && rest[0].Priority == 0 && rest[0].Locality == (discovery.Locality{}) && !rest[0].Mesh {
		first.Endpoints, rest = rest[0].Endpoints, rest[1:]
	}
	out.Groups = append([]ir.EndpointGroup{first}, rest...)
	return &out
}

// ResolveDNS returns how the names among the endpoints are resolved; nil where there are none. Of an instance with
// several addresses the first counts, because only fetched assignments hold more.
func ResolveDNS(endpoints *ir.Endpoints) *ir.DNS {
	if !slices.ContainsFunc(endpoints.Groups, func(g ir.EndpointGroup) bool { return len(g.Hosts) > 0 }) {
		return nil
	}
	dns := &ir.DNS{Endpoints: *endpoints, Refresh: DNSRefresh, Retry: DNSRetry, RetryMax: DNSRetryMax}
	dns.Endpoints.Groups = slices.Clone(endpoints.Groups)
	for i := range dns.Endpoints.Groups {
		group := &dns.Endpoints.Groups[i]
		group.Endpoints = slices.Clone(group.Endpoints)
		for j := range group.Endpoints {
			group.Endpoints[j].Additional = nil
		}
	}
	return dns
}

// bestHost returns the host that stands for all of them: the healthiest, then the first by name and port.
func bestHost(groups []ir.EndpointGroup) (best ir.Host, some bool) {
	for i := range groups {
		for _, h := range groups[i].Hosts {
			if !some || compareHosts(h, best) < 0 {
				best, some = h, true
			}
		}
	}
	return best, some
}

func compareHosts(a, b ir.Host) int {
	return cmp.Or(cmp.Compare(a.Health, b.Health), strings.Compare(a.Name, b.Name), cmp.Compare(a.Port, b.Port))
}
