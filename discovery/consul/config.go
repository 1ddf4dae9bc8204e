package consul

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"time"

	"outrigger.dev/outrigger/discovery"
)

// Kind is the kind of this source's id.
const Kind = "consul"

// What Config leaves out.
const (
	// DefaultMeshNamespace is the namespace that services appear in.
	DefaultMeshNamespace = "consul"
	// DefaultWait is how long a query for one service blocks; Consul adds up to a sixteenth.
	DefaultWait = 5 * time.Minute
	// DefaultHeartbeat is how long the query for the catalog blocks: a registry that is silent is noticed after it.
	DefaultHeartbeat = 10 * time.Second
	// DefaultTimeout bounds an answer that should come at once.
	DefaultTimeout = 20 * time.Second
	// DefaultMaxStale is how far a server may be behind the leader.
	DefaultMaxStale = 5 * time.Second
	// DefaultLinger is how long a service stays whose last instance went.
	DefaultLinger = time.Minute
	// DefaultMaxInFlight is how many answers that should come at once are awaited together.
	DefaultMaxInFlight = 16
	// DefaultMaxConnections is under the 200 that Consul allows to one address.
	DefaultMaxConnections = 100
	// DefaultRecheck is how often token and roots are looked at, and how soon a denied read is tried again at the latest.
	DefaultRecheck = time.Second
)

// Config says what to watch.
type Config struct {
	// Name is that of the source: consul/<name>. Empty: the datacenter, else "default".
	Name string
	// Address is the URL of an agent or server: http or https.
	Address string
	// TokenFile holds the token of the access rules, CAFile the roots of the server's certificate as PEM. Both
	// are read again when they change. Empty: no token, the machine's roots.
	TokenFile, CAFile string
	// Datacenter, Namespace and Partition are sent when they are set. A datacenter that is not the server's own is
	// reached by its wan addresses.
	Datacenter, Namespace, Partition string
	// Peers are clusters whose exported services are read too, by the names that the peerings have here.
	Peers []Peer
	// MeshNamespace is the namespace that services and instances appear in. Empty: DefaultMeshNamespace.
	MeshNamespace string
	Logger        *slog.Logger
	// Clock tells the time of what is read; nil is the machine's.
	Clock func() time.Time
	// Seed makes the order and jitter of requests repeatable; replicas should differ. 0: by chance.
	Seed uint64

	// Wait, Heartbeat, Timeout, MaxStale, Linger and Recheck are described at their defaults.
	Wait, Heartbeat, Timeout, MaxStale, Linger, Recheck time.Duration
	// Dial opens connections; nil: over TCP.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// MaxInFlight and MaxConnections are described at their defaults.
	MaxInFlight, MaxConnections int
}

// Peer names a peering and the services that are read of it. The catalog does not tell them.
type Peer struct {
	Name     string
	Services []string
}

// New returns a Source; it asks nothing yet. Its errors name the field at fault.
func New(config Config) (*Source, error) {
	if config.Logger == nil {
		return nil, errors.New("consul source: config without logger")
	}
	base, err := url.Parse(config.Address)
	if err != nil {
		// The error would quote the address, which may hold a password.
		return nil, errors.New("consul source: address: write http://host:port or https://host:port")
	}
	if (base.Scheme != "http" && base.Scheme != "https") || base.Host == "" || base.User != nil || base.RawQuery != "" {
		return nil, fmt.Errorf("consul source: address %q: write http://host:port or https://host:port", base.Redacted())
	}
	for _, peer := range config.Peers {
		if peer.Name == "" || slices.Contains(peer.Services, "") {
			return nil, fmt.Errorf("consul source: peer %q: neither it nor its services may be without a name", peer.Name)
		}
	}
	config.fill()
	return newSource(config, base), nil
}

// fill puts defaults where nothing is set.
func (c *Config) fill() {
	c.Name = cmp.Or(c.Name, c.Datacenter, "default")
	c.MeshNamespace = cmp.Or(c.MeshNamespace, DefaultMeshNamespace)
	c.Wait = cmp.Or(c.Wait, DefaultWait)
	c.Heartbeat = cmp.Or(c.Heartbeat, DefaultHeartbeat)
	c.Timeout = cmp.Or(c.Timeout, DefaultTimeout)
	c.MaxStale = cmp.Or(c.MaxStale, DefaultMaxStale)
	c.Linger = cmp.Or(c.Linger, DefaultLinger)
	c.Recheck = cmp.Or(c.Recheck, DefaultRecheck)
	c.MaxInFlight = cmp.Or(c.MaxInFlight, DefaultMaxInFlight)
	c.MaxConnections = cmp.Or(c.MaxConnections, DefaultMaxConnections)
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Dial == nil {
		c.Dial = (&net.Dialer{Timeout: dialTimeout}).DialContext
	}
}

// id returns the name that updates carry.
func (c *Config) id() discovery.SourceID { return discovery.SourceID{Kind: Kind, Name: c.Name} }
