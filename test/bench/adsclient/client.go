package adsclient

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync/atomic"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"

	"outrigger.dev/outrigger/xds/cache"
)

// window is Envoy's default for a stream.
const window = 16 << 20

// Config is what a client needs.
type Config struct {
	Address string
	// Others are further servers: every Run that ends is followed by one at the next.
	Others []string
	TLS    *tls.Config
	// Link is the connection, which clients of the same address may share; nil: one of its own.
	Link *Link
	// Token is sent as a bearer token where it is not empty.
	Token         string
	Node, Cluster string
	// Received is called for every response after its acknowledgement was sent; it must not block.
	Received func(*Client, Response)
}

// Client is one proxy. Versions survive a disconnect, so that Run may be called again.
type Client struct {
	config   Config
	versions [cache.NumTypes]map[string]string
	asked    [cache.NumTypes]bool // on the present stream
	wanted   [cache.NumTypes]bool // on any stream so far
	stream   grpc.ClientStream
	runs     int
	begun    atomic.Bool
	// Counts are of all since the client was made.
	Counts
}

// Counts say what a client was sent.
type Counts struct {
	// Bytes are those of messages, Bodies those of the resources in them.
	Bytes, Bodies atomic.Int64
	// Resources is their number, and Again that of those which the client had in the same version.
	Resources, Again atomic.Int64
}

// New returns a client that has never connected.
func New(config Config) *Client {
	if config.Link == nil {
		config.Link = &Link{}
	}
	c := &Client{config: config}
	for i := range c.versions {
		c.versions[i] = map[string]string{}
	}
	return c
}

// Len returns how many resources of the type the client has; call it only while Run is not running.
func (c *Client) Len(t cache.Type) int { return len(c.versions[t]) }

// Open reports whether the client has a stream on which it has said all that it has and wants: the server has let it in and
// listens, and answers, if there is anything to answer.
func (c *Client) Open() bool { return c.begun.Load() }

// Run connects and follows one stream until ctx ends or the stream fails.
func (c *Client) Run(ctx context.Context) error {
	conn, err := c.config.Link.take(c.dial)
	if err != nil {
		return fmt.Errorf("client %s: %w", c.config.Node, err)
	}
	defer func() { _ = c.config.Link.leave() }()
	// A connection that others hold open ends no stream of this one.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if c.config.Token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+c.config.Token)
	}
	desc := &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}
	c.stream, err = conn.NewStream(ctx, desc, discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResources_FullMethodName)
	if err != nil {
		return fmt.Errorf("client %s: %w", c.config.Node, err)
	}
	return c.follow()
}

// dial makes a connection, which connects when it is used.
func (c *Client) dial() (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///"+c.server(),
		grpc.WithTransportCredentials(credentials.NewTLS(c.config.TLS)),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(rawCodec{}), grpc.MaxCallRecvMsgSize(64<<20)),
		// A fixed window, as Envoy has it: no ping for every message to measure the bandwidth.
		grpc.WithStaticStreamWindowSize(window), grpc.WithStaticConnWindowSize(window),
		grpc.WithReadBufferSize(4<<10))
}

// server returns where the next run goes.
func (c *Client) server() string {
	at := c.runs % (1 + len(c.config.Others))
	c.runs++
	if at == 0 {
		return c.config.Address
	}
	return c.config.Others[at-1]
}

func (c *Client) follow() error {
	if err := c.begin(); err != nil {
		return err
	}
	c.begun.Store(true)
	defer c.begun.Store(false)
	for {
		var raw rawMessage
		if err := c.stream.RecvMsg(&raw); err != nil {
			return fmt.Errorf("client %s: %w", c.config.Node, err)
		}
		response, err := decode(raw.data)
		if err != nil {
			return fmt.Errorf("client %s: %w", c.config.Node, err)
		}
		c.Bytes.Add(int64(response.Bytes))
		c.Bodies.Add(int64(response.Bodies))
		c.Resources.Add(int64(len(response.Resources)))
		if err := c.take(response); err != nil {
			return err
		}
		c.config.Received(c, response)
	}
}

// begin asks for clusters, and on a later stream at once for every type that was ever asked for: nothing
// need come for a client that has all. A stream that ended before it had asked for all makes no difference.
func (c *Client) begin() error {
	c.asked = [cache.NumTypes]bool{}
	for t := range cache.Type(cache.NumTypes) {
		if t != cache.Cluster && !c.wanted[t] {
			continue
		}
		if err := c.open(t, c.wants(t)); err != nil {
			return err
		}
	}
	return nil
}

// wants are the names that follow from what the client has, sorted.
func (c *Client) wants(t cache.Type) []string {
	switch t {
	case cache.Endpoints:
		return assigned(slices.Sorted(maps.Keys(c.versions[cache.Cluster])))
	case cache.Secret:
		return secrets
	case cache.Route:
		return routed(slices.Sorted(maps.Keys(c.versions[cache.Listener])))
	default:
		return nil
	}
}

// secrets are what every proxy asks for.
var secrets = []string{"identity", "roots"}

// take keeps what a response says, acknowledges it, and asks for what it leads to.
func (c *Client) take(r Response) error {
	t, ok := cache.TypeOf(r.TypeURL)
	if !ok {
		return fmt.Errorf("client %s: was sent the type %q", c.config.Node, r.TypeURL)
	}
	var fresh []string
	for _, n := range r.Resources {
		had, known := c.versions[t][n.Name]
		if !known {
			fresh = append(fresh, n.Name)
		}
		if known && had == n.Version {
			c.Again.Add(1)
		}
		c.versions[t][n.Name] = n.Version
	}
	for _, name := range r.Removed {
		delete(c.versions[t], name)
	}
	ack := &discoveryv3.DeltaDiscoveryRequest{TypeUrl: r.TypeURL, ResponseNonce: r.Nonce}
	if err := c.send(ack); err != nil {
		return err
	}
	return c.follows(t, fresh)
}

// follows asks as Envoy does: assignments and secrets for clusters, then listeners, then their routes.
func (c *Client) follows(t cache.Type, fresh []string) error {
	switch t {
	case cache.Cluster:
		return c.subscribe(cache.Endpoints, assigned(fresh))
	case cache.Endpoints:
		return c.openOnce(cache.Secret, secrets)
	case cache.Secret:
		return c.openOnce(cache.Listener, nil)
	case cache.Listener:
		return c.subscribe(cache.Route, routed(fresh))
	default:
		return nil
	}
}

// assigned returns the clusters whose endpoints come by name.
func assigned(clusters []string) []string {
	return slices.DeleteFunc(slices.Clone(clusters), func(n string) bool { return !strings.HasPrefix(n, "outbound|") })
}

// routed returns the listeners that have routes of their name.
func routed(listeners []string) []string {
	return slices.DeleteFunc(slices.Clone(listeners), func(n string) bool { return n == "outbound" || n == "inbound" })
}

func (c *Client) openOnce(t cache.Type, names []string) error {
	if c.asked[t] {
		return nil
	}
	return c.open(t, names)
}

func (c *Client) subscribe(t cache.Type, names []string) error {
	if !c.asked[t] {
		return c.open(t, names)
	}
	if len(names) == 0 {
		return nil
	}
	return c.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: t.URL(), ResourceNamesSubscribe: names})
}

// open sends the first request of a type on the stream, with all that the client has of it.
func (c *Client) open(t cache.Type, names []string) error {
	c.asked[t], c.wanted[t] = true, true
	request := &discoveryv3.DeltaDiscoveryRequest{TypeUrl: t.URL(), InitialResourceVersions: c.versions[t]}
	if t != cache.Cluster && t != cache.Listener {
		request.ResourceNamesSubscribe = union(names, c.versions[t])
	}
	if t == cache.Cluster {
		request.Node = &corev3.Node{Id: c.config.Node, Cluster: c.config.Cluster, UserAgentName: "envoy"}
	}
	return c.send(request)
}

// union is the names, and behind them, sorted, those that the client has besides.
func union(names []string, versions map[string]string) []string {
	known := make(map[string]bool, len(names))
	for _, name := range names {
		known[name] = true
	}
	out := slices.Clone(names)
	for _, name := range slices.Sorted(maps.Keys(versions)) {
		if !known[name] {
			out = append(out, name)
		}
	}
	return out
}

// send says a request. Why the stream has ended, where it has, is only told to who reads.
func (c *Client) send(request *discoveryv3.DeltaDiscoveryRequest) error {
	err := c.stream.SendMsg(request)
	if err == nil {
		return nil
	}
	for ended := errors.Is(err, io.EOF); ended; {
		var raw rawMessage
		if read := c.stream.RecvMsg(&raw); read != nil {
			err, ended = read, false
		}
	}
	return fmt.Errorf("client %s: %w", c.config.Node, err)
}
