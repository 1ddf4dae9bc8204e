package discovery

import (
	"net/netip"
	"slices"
)

// Health is what the registry says of an endpoint; the values follow Envoy's HealthStatus.
type Health uint8

// The states of an endpoint.
const (
	// Healthy endpoints receive traffic.
	Healthy Health = iota
	// Degraded endpoints receive traffic when healthy ones do not suffice.
	Degraded
	// Unhealthy endpoints receive none, save in panic.
	Unhealthy
	// Draining endpoints receive no new connections and finish what they have.
	Draining
)

var healthNames = [...]string{Healthy: "healthy", Degraded: "degraded", Unhealthy: "unhealthy", Draining: "draining"}

// String returns the lower-case name of the state.
func (h Health) String() string {
	if int(h) < len(healthNames) {
		return healthNames[h]
	}
	return "unknown"
}

// MarshalText writes the name, so that models print readably.
func (h Health) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// Locality says where an instance runs; empty parts are not known.
type Locality struct {
	Region  string
	Zone    string
	SubZone string
}

// EndpointSet is one shard: all endpoints that one source knows for a service. It is replaced whole.
type EndpointSet struct {
	ID ShardID
	// Ports are sorted by Port. A service port without an entry has no endpoints in this shard.
	Ports []PortEndpoints
}

// PortEndpoints are the endpoints behind one service port.
type PortEndpoints struct {
	// Port is the number of the service port, not that of the endpoints.
	Port uint16
	// Endpoints are sorted by Address; no address occurs twice.
	Endpoints []Endpoint
	// Hosts are endpoints that are known by a DNS name, sorted by Name, then Port; no pair occurs twice. Mostly empty:
	// with one of them the proxies resolve names for the whole port, addresses included.
	Hosts []Host
}

// Host is an endpoint that is reached by a DNS name, which proxies resolve. It has no identity and is spoken to in plain text.
type Host struct {
	Name   string
	Port   uint16
	Weight uint32
	Health Health
	// Idle is as with an Endpoint.
	Idle bool
}

// Endpoint is one address that serves a service port.
type Endpoint struct {
	// Address is where the endpoint is reached: the address of its workload and the target port.
	Address netip.AddrPort
	// Additional are further addresses of the same instance (the other family of a
	// dual-stack workload), in the order of preference; mostly empty.
	Additional []netip.AddrPort
	// Workload is the instance behind the address. It is zero when the source knows none;
	// such an endpoint has no identity and is spoken to in plain text.
	Workload WorkloadID
	Network  string
	Locality Locality
	// Weight is relative to the other endpoints of the port, 1 at least.
	Weight uint32
	Health Health
	// Zones are those whose clients the endpoint is meant for, sorted; none: all.
	Zones []string
	// Idle says that a rule leaves the endpoint without traffic. It stays known, with all that its workload serves.
	Idle bool
}

// Equal reports whether both are the same in every respect.
func (e *Endpoint) Equal(other *Endpoint) bool {
	return e.Address == other.Address && e.Workload == other.Workload && e.Network == other.Network &&
		e.Locality == other.Locality && e.Weight == other.Weight && e.Health == other.Health && e.Idle == other.Idle &&
		slices.Equal(e.Additional, other.Additional) && slices.Equal(e.Zones, other.Zones)
}

// Equal reports whether both shards hold the same endpoints in the same order.
func (s *EndpointSet) Equal(other *EndpointSet) bool {
	if s == nil || other == nil {
		return s == other
	}
	return s.ID == other.ID && slices.EqualFunc(s.Ports, other.Ports, func(a, b PortEndpoints) bool {
		return a.Port == b.Port && slices.Equal(a.Hosts, b.Hosts) && slices.EqualFunc(a.Endpoints, b.Endpoints,
			func(x, y Endpoint) bool { return x.Equal(&y) })
	})
}
