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
	// VIPs are the virtual addresses of the service, sorted; none for a headless service.
	VIPs []netip.Addr
	// Ports are sorted by Port; no number occurs twice.
	Ports []ServicePort
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
	return s.ID == other.ID && s.Origin.Kind == other.Origin.Kind &&
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
