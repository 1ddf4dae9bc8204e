package debug

import (
	"strings"
	"time"

	"outrigger.dev/outrigger/xds/cache"
	"outrigger.dev/outrigger/xds/server"
)

// States of a proxy.
const (
	// StateAway: the workload has a sidecar, and no stream is open.
	StateAway = "away"
	// StateUnknown: the proxy had a stream at a replica that does not answer now, and has none elsewhere.
	StateUnknown = "unknown"
	// StateRefused: the proxy refused something that it was sent last.
	StateRefused = "refused"
	// StateBehind: something newer was published than what the proxy acknowledged.
	StateBehind = "behind"
	// StateSynced: the proxy acknowledged everything that it is to have.
	StateSynced = "synced"
)

// Proxy is what is known of one workload's proxy.
type Proxy struct {
	// Name is the node id, "<namespace>/<workload>".
	Name string `json:"name"`
	// State is one of the States above.
	State string `json:"state"`
	// Identity is the SPIFFE id of its streams.
	Identity string `json:"identity,omitempty"`
	// CertificateExpires is when the certificate ends that it was given; zero before that.
	CertificateExpires time.Time `json:"certificateExpires,omitzero"`
	// Layers and Scope are its view.
	Layers []string `json:"layers"`
	Scope  string   `json:"scope"`
	// Streams are its open streams, the newest last; more than one while Envoy reconnects.
	Streams []Stream `json:"streams"`
	// Resources are what its view holds; only the view of a single proxy lists them.
	Resources []ProxyResource `json:"resources,omitempty"`
}

// Stream is one open stream.
type Stream struct {
	// Replica is the name of the server that it is open at.
	Replica string `json:"replica,omitempty"`
	// Agent is the client and its version, such as "envoy/1.40.0".
	Agent string    `json:"agent"`
	Since time.Time `json:"since"`
	// Settled is the last publication that the proxy has all of; Latest the newest that concerns it.
	Settled uint64 `json:"settled"`
	Latest  uint64 `json:"latest"`
	// Types are those that the proxy asked for, in the order of sending.
	Types []server.TypeInfo `json:"types"`
}

// ProxyResource is one resource of a proxy's view and how far the proxy is with it.
type ProxyResource struct {
	Type string `json:"type"`
	Name string `json:"name"`
	// Version is the one that was published last.
	Version string `json:"version"`
	Owner   string `json:"owner,omitempty"`
	// State is "sent", "refused", "withheld" (it needs something that was refused), or "unasked" (the proxy
	// never asked for its type). Whether everything that was sent is acknowledged, the proxy's State says.
	State string `json:"state"`
}

// States of a resource.
const (
	ResourceSent     = "sent"
	ResourceRefused  = "refused"
	ResourceWithheld = "withheld"
	ResourceUnasked  = "unasked"
)

// Problem is something wrong with what users wrote.
type Problem struct {
	// Location is where it stands, such as "mesh.yaml:12".
	Location string `json:"location,omitempty"`
	Object   string `json:"object,omitempty"`
	Field    string `json:"field,omitempty"`
	Reason   string `json:"reason"`
	Message  string `json:"message"`
	// Warning says that the object is used all the same.
	Warning bool `json:"warning,omitempty"`
}

// Scope is one set of services that proxies see.
type Scope struct {
	// Key is "*", or the namespaces and services of the scope.
	Key   string   `json:"key"`
	Nodes []string `json:"nodes"`
	// Resources counts what is visible, by type.
	Resources map[string]int `json:"resources"`
}

// View is a dump of one view.
type View struct {
	Layers    []string   `json:"layers"`
	Scope     string     `json:"scope"`
	Nodes     []string   `json:"nodes"`
	Streams   int        `json:"streams"`
	Revision  uint64     `json:"revision"`
	Resources []Resource `json:"resources"`
}

// Namespace returns the namespace of the workload.
func (p *Proxy) Namespace() string {
	namespace, _, _ := strings.Cut(p.Name, "/")
	return namespace
}

// Stream returns the newest open stream, or nil.
func (p *Proxy) Stream() *Stream {
	if len(p.Streams) == 0 {
		return nil
	}
	return &p.Streams[len(p.Streams)-1]
}

// Pending counts what the newest stream has not acknowledged yet.
func (p *Proxy) Pending() int {
	return p.count(func(t server.TypeInfo) int { return t.Pending })
}

// Refused counts the names that the newest stream refused.
func (p *Proxy) Refused() int {
	return p.count(func(t server.TypeInfo) int { return len(t.Parked) })
}

func (p *Proxy) count(of func(server.TypeInfo) int) int {
	n := 0
	if s := p.Stream(); s != nil {
		for _, t := range s.Types {
			n += of(t)
		}
	}
	return n
}

// typeInfo returns what a stream knows of a type; nil when the proxy never asked for it.
func (s *Stream) typeInfo(t cache.Type) *server.TypeInfo {
	if s == nil {
		return nil
	}
	for i := range s.Types {
		if s.Types[i].Type == t.String() {
			return &s.Types[i]
		}
	}
	return nil
}

// String returns "location: severity: object: field: message", without the parts that are empty.
func (p Problem) String() string {
	severity := "error"
	if p.Warning {
		severity = "warning"
	}
	var parts []string
	for _, part := range []string{p.Location, severity, p.Object, p.Field, p.Message} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ": ")
}
