package discovery

import (
	"net/netip"
	"slices"
)

// Protocol is what is spoken on a port.
type Protocol uint8

// The protocols. The zero value says that nothing is known, and each connection is looked at.
const (
	// Detect: nothing is declared; HTTP is told from TCP per connection.
	Detect Protocol = iota
	// HTTP is HTTP/1.1 (1.0 accepted), WebSocket included.
	HTTP
	// HTTP2 is HTTP/2 with prior knowledge.
	HTTP2
	// GRPC is HTTP/2 that carries gRPC.
	GRPC
	// TCP is opaque; the proxy never waits for the client's first byte.
	TCP
	// TLS is the application's own TLS, passed through.
	TLS
)

var protocolNames = [...]string{Detect: "detect", HTTP: "http", HTTP2: "http2", GRPC: "grpc", TCP: "tcp", TLS: "tls"}

// String returns the lower-case name of the protocol.
func (p Protocol) String() string {
	if int(p) < len(protocolNames) {
		return protocolNames[p]
	}
	return "unknown"
}

// MarshalText writes the name, so that models print readably.
func (p Protocol) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// IsHTTP reports whether requests can be told apart on the port.
func (p Protocol) IsHTTP() bool { return p == HTTP || p == HTTP2 || p == GRPC }

// Service is what clients address: names, virtual addresses and ports.
// Its endpoints travel apart, in shards.
type Service struct {
	ID     ServiceID
	Origin Origin
	// Registered is what the registry calls the service, where that is not ID.Name.
	Registered string
	// VIPs are the virtual addresses of the service, sorted; none for a headless service.
	VIPs []netip.Addr
	// Ports are sorted by Port; no number occurs twice.
	Ports []ServicePort
	// Distribution says which endpoints a client prefers.
	Distribution Distribution
	// Join, when not nil, says that services of other registries belong to this one.
	Join *Join
}

// Distribution says which endpoints of a service a client prefers; the values follow Kubernetes' trafficDistribution.
type Distribution uint8

// The distributions.
const (
	// Anywhere: all endpoints are alike.
	Anywhere Distribution = iota
	// PreferSameZone: those of the client's zone, as long as there are healthy ones.
	PreferSameZone
	// PreferSameNode: those of the client's machine, then those of its zone.
	PreferSameNode
)

var distributionNames = [...]string{Anywhere: "anywhere", PreferSameZone: "same-zone", PreferSameNode: "same-node"}

// String returns the lower-case name of the distribution.
func (d Distribution) String() string {
	if int(d) < len(distributionNames) {
		return distributionNames[d]
	}
	return "unknown"
}

// MarshalText writes the name, so that models print readably.
func (d Distribution) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// Join is a rule that services of other registries are part of a service: their endpoints serve its ports too.
type Join struct {
	// Kind is that of the registry, such as "consul"; Source is its name, empty for every one of that kind.
	Kind   string
	Source string
	// Name is what the registry calls the service.
	Name string
	// Port is the service port that the endpoints serve; 0: the port of the same number, else the only or first one.
	Port uint16
	// Share, when not nil, is how much of the traffic goes to the other registry's endpoints, 0 to 100 percent;
	// nil: every endpoint by its weight.
	Share *uint8
}

// Equal reports whether both are the same rule.
func (j *Join) Equal(other *Join) bool {
	if j == nil || other == nil {
		return j == other
	}
	a, b := *j, *other
	a.Share, b.Share = nil, nil
	if j.Share == nil || other.Share == nil {
		return a == b && j.Share == other.Share
	}
	return a == b && *j.Share == *other.Share
}

// ServicePort is one port of a service.
type ServicePort struct {
	// Port is the number that clients use, 1 to 65535.
	Port uint16
	// Name is the port's name; it may be empty.
	Name string
	// Protocol is what appProtocol, else the name of the port, says.
	Protocol Protocol
}

// Equal reports whether both describe the same service; Origin.Location takes no part.
func (s *Service) Equal(other *Service) bool {
	if s == nil || other == nil {
		return s == other
	}
	return s.ID == other.ID && s.Origin.Kind == other.Origin.Kind && s.Registered == other.Registered &&
		s.Distribution == other.Distribution && s.Join.Equal(other.Join) &&
		slices.Equal(s.VIPs, other.VIPs) && slices.Equal(s.Ports, other.Ports)
}

// Port returns the port of that number.
func (s *Service) Port(number uint16) (ServicePort, bool) {
	for _, p := range s.Ports {
		if p.Port == number {
			return p, true
		}
	}
	return ServicePort{}, false
}
