package ir

import (
	"net/netip"
	"slices"
	"strconv"
	"time"

	"outrigger.dev/outrigger/discovery"
)

// Upstream is one service port as clients see it; it becomes one cluster.
type Upstream struct {
	Service discovery.ServiceID
	Port    uint16
	// Subset is empty for the whole service.
	Subset   string
	Protocol discovery.Protocol
	Peers    Peers

	ConnectTimeout        time.Duration
	IdleTimeout           time.Duration
	MaxConnectionDuration time.Duration
	// PanicThreshold is in percent of healthy endpoints.
	PanicThreshold uint32
	Ejection       Ejection
	Balance        Balance
	// DNS is not nil where some endpoint is known by a name only: then proxies resolve names.
	DNS *DNS
}

// Name returns the cluster's name, "outbound|<port>|<subset>|<service>.<namespace>".
func (u *Upstream) Name() string { return ClusterName(u.Service, u.Port, u.Subset) }

// ClusterName returns "outbound|<port>|<subset>|<service>.<namespace>", which also names the endpoint assignment.
func ClusterName(service discovery.ServiceID, port uint16, subset string) string {
	return "outbound|" + strconv.Itoa(int(port)) + "|" + subset + "|" + service.Host()
}

// Peers says who answers behind an upstream, and so how connections are secured: only Plain, plain
// text; only Identities, mesh mTLS; both, mesh mTLS for the groups of endpoints that have
// it. Neither (no endpoint is known): mesh mTLS that accepts nobody, so that nothing leaves in plain text by chance.
type Peers struct {
	Plain bool
	// Identities are SPIFFE ids, sorted.
	Identities []string
}

// Equal reports whether both are the same.
func (p Peers) Equal(other Peers) bool {
	return p.Plain == other.Plain && slices.Equal(p.Identities, other.Identities)
}

// Ejection takes endpoints that refuse connections out of the balance for a while.
type Ejection struct {
	// ConsecutiveFailures of connecting until an endpoint is ejected; 0 turns ejection off.
	ConsecutiveFailures uint32
	Interval            time.Duration
	BaseTime            time.Duration
	// MaxPercent of the endpoints that may be out at once.
	MaxPercent uint32
}

// Equal reports whether both are the same in every respect.
func (u *Upstream) Equal(other *Upstream) bool {
	if u == nil || other == nil {
		return u == other
	}
	return u.fields() == other.fields() && u.Peers.Equal(other.Peers) && u.DNS.Equal(other.DNS)
}

// upstreamFields are all fields of an Upstream but Peers and DNS.
type upstreamFields struct {
	service                discovery.ServiceID
	port                   uint16
	subset                 string
	protocol               discovery.Protocol
	connect, idle, maximum time.Duration
	panicThreshold         uint32
	ejection               Ejection
	balance                Balance
}

func (u *Upstream) fields() upstreamFields {
	return upstreamFields{
		service: u.Service, port: u.Port, subset: u.Subset, protocol: u.Protocol,
		connect: u.ConnectTimeout, idle: u.IdleTimeout, maximum: u.MaxConnectionDuration,
		panicThreshold: u.PanicThreshold, ejection: u.Ejection, balance: u.Balance,
	}
}

// Endpoints is the assignment of an upstream.
type Endpoints struct {
	Service discovery.ServiceID
	Port    uint16
	Subset  string
	// Groups are sorted by priority, locality, then Mesh (false first); none is empty.
	Groups []EndpointGroup
}

// Name returns the name of the assignment, which is that of the cluster.
func (e *Endpoints) Name() string { return ClusterName(e.Service, e.Port, e.Subset) }

// EndpointGroup holds endpoints of one locality, all with or all without mesh mTLS.
type EndpointGroup struct {
	Priority uint32
	Locality discovery.Locality
	Mesh     bool
	// Endpoints are sorted by address.
	Endpoints []Endpoint
	// Hosts are endpoints that are known by a name, sorted by Name, then Port. They stand in the first group without mesh
	// mTLS and locality, and only in the assignment of an upstream with DNS.
	Hosts []Host
}

// Endpoint is one address of an assignment.
type Endpoint struct {
	Address    netip.AddrPort
	Additional []netip.AddrPort
	Weight     uint32
	Health     discovery.Health
}

// Equal reports whether both hold the same endpoints in the same groups and order.
func (e *Endpoints) Equal(other *Endpoints) bool {
	if e == nil || other == nil {
		return e == other
	}
	return e.Service == other.Service && e.Port == other.Port && e.Subset == other.Subset &&
		slices.EqualFunc(e.Groups, other.Groups, EndpointGroup.equal)
}

func (g EndpointGroup) equal(other EndpointGroup) bool {
	return g.Priority == other.Priority && g.Locality == other.Locality && g.Mesh == other.Mesh &&
		slices.EqualFunc(g.Endpoints, other.Endpoints, func(a, b Endpoint) bool {
			return a.Address == b.Address && a.Weight == b.Weight && a.Health == b.Health &&
				slices.Equal(a.Additional, b.Additional)
		}) && slices.Equal(g.Hosts, other.Hosts)
}
