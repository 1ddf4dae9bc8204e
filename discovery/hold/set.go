package hold

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	"outrigger.dev/outrigger/discovery"
)

// slot is one place in a shard: an address or a name behind a service port.
type slot struct {
	port    uint16
	address netip.AddrPort
	// host and its port are those of an endpoint that is known by name.
	host     string
	hostPort uint16
}

// loss is an endpoint that a shard has and its next version has not, or has as unhealthy where it was of use.
type loss struct {
	slot
	// ejected: it is there, and unhealthy.
	ejected bool
	// announced: it drained, so that its end is no surprise.
	announced bool
	// restored: it is not lost, but comes from a file.
	restored bool
	workload discovery.WorkloadID
	locality discovery.Locality
	// since is when it was lost first.
	since time.Time
}

// useful reports whether an endpoint gets traffic.
func useful(h discovery.Health) bool { return h == discovery.Healthy || h == discovery.Degraded }

// size returns how many endpoints a shard has.
func size(set *discovery.EndpointSet) int {
	if set == nil {
		return 0
	}
	n := 0
	for i := range set.Ports {
		n += len(set.Ports[i].Endpoints) + len(set.Ports[i].Hosts)
	}
	return n
}

// losses returns what is lost from old to next. An endpoint whose workload has a new address behind the same port has
// moved, and those of a port that the service does not have any more (hasPort) went with it: neither is lost.
func losses(old, next *discovery.EndpointSet, hasPort func(uint16) bool) []loss {
	if old == nil {
		return nil
	}
	var lost []loss
	for i := range old.Ports {
		port := &old.Ports[i]
		if !hasPort(port.Port) {
			continue
		}
		after := portOf(next, port.Port)
		lost = append(lost, lostEndpoints(port, after)...)
		lost = append(lost, lostHosts(port, after)...)
	}
	return lost
}

func lostEndpoints(old *discovery.PortEndpoints, next discovery.PortEndpoints) []loss {
	var lost []loss
	var moved map[discovery.WorkloadID]struct{}
	for i := range old.Endpoints {
		e := &old.Endpoints[i]
		at, there := findEndpoint(next.Endpoints, e.Address)
		ejected := there && useful(e.Health) && next.Endpoints[at].Health == discovery.Unhealthy
		if there && !ejected {
			continue
		}
		if moved == nil && !there {
			moved = movedTo(old.Endpoints, next.Endpoints)
		}
		if _, elsewhere := moved[e.Workload]; elsewhere && !there {
			continue
		}
		lost = append(lost, loss{
			slot: slot{port: old.Port, address: e.Address}, ejected: ejected, announced: e.Health == discovery.Draining,
			workload: e.Workload, locality: e.Locality,
		})
	}
	return lost
}

// movedTo returns the workloads that have an address in next which old has not.
func movedTo(old, next []discovery.Endpoint) map[discovery.WorkloadID]struct{} {
	moved := map[discovery.WorkloadID]struct{}{}
	for i := range next {
		if _, known := findEndpoint(old, next[i].Address); !known && next[i].Workload != (discovery.WorkloadID{}) {
			moved[next[i].Workload] = struct{}{}
		}
	}
	return moved
}

func lostHosts(old *discovery.PortEndpoints, next discovery.PortEndpoints) []loss {
	var lost []loss
	for i := range old.Hosts {
		h := &old.Hosts[i]
		at, there := findHost(next.Hosts, h.Name, h.Port)
		ejected := there && useful(h.Health) && next.Hosts[at].Health == discovery.Unhealthy
		if !there || ejected {
			lost = append(lost, loss{
				slot: slot{port: old.Port, host: h.Name, hostPort: h.Port}, ejected: ejected, announced: h.Health == discovery.Draining,
			})
		}
	}
	return lost
}

// health returns that of the endpoint in a slot; false: there is none.
func health(set *discovery.EndpointSet, s slot) (discovery.Health, bool) {
	port := portOf(set, s.port)
	if s.host != "" {
		at, there := findHost(port.Hosts, s.host, s.hostPort)
		if !there {
			return 0, false
		}
		return port.Hosts[at].Health, true
	}
	at, there := findEndpoint(port.Endpoints, s.address)
	if !there {
		return 0, false
	}
	return port.Endpoints[at].Health, true
}

// portOf returns what a shard has behind a port; the zero value: nothing.
func portOf(set *discovery.EndpointSet, port uint16) discovery.PortEndpoints {
	if set == nil {
		return discovery.PortEndpoints{Port: port}
	}
	at, there := slices.BinarySearchFunc(set.Ports, port, func(p discovery.PortEndpoints, n uint16) int { return cmp.Compare(p.Port, n) })
	if !there {
		return discovery.PortEndpoints{Port: port}
	}
	return set.Ports[at]
}

func findEndpoint(in []discovery.Endpoint, address netip.AddrPort) (int, bool) {
	return slices.BinarySearchFunc(in, address, func(e discovery.Endpoint, a netip.AddrPort) int { return e.Address.Compare(a) })
}

func findHost(in []discovery.Host, name string, port uint16) (int, bool) {
	return slices.BinarySearchFunc(in, discovery.Host{Name: name, Port: port}, compareHosts)
}

func compareHosts(a, b discovery.Host) int {
	return cmp.Or(strings.Compare(a.Name, b.Name), cmp.Compare(a.Port, b.Port))
}
