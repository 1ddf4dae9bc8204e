package adsclient

import (
	"context"
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"outrigger.dev/outrigger/xds/cache"
)

// Config is what a client needs.
type Config struct {
	Address string
	// Others are further servers: every Run that ends is followed by one at the next.
	Others []string
	// TLS offers h2, and names the server.
	TLS *tls.Config
	// Link is the connection, which clients of the same address may share; nil: one of its own.
	Link *Link
	// Texts are what the client shares with others; nil: nothing.
	Texts *Texts
	// Token is sent as a bearer token where it is not empty.
	Token         string
	Node, Cluster string
	// Received is called for every response after its acknowledgement was sent; it must not block.
	Received func(*Client, Response)
}

// Client is one proxy. Versions survive a disconnect, so that Run may be called again.
type Client struct {
	config Config
	runs   int
	// Counts are of all since the client was made.
	Counts

	// mu is of Run and the goroutine of its connection.
	mu sync.Mutex
	// versions are the numbers of versions by those of names.
	versions [cache.NumTypes]map[uint32]uint32
	asked    [cache.NumTypes]bool // on the present stream
	wanted   [cache.NumTypes]bool // on any stream so far
	stream   sender               // nil: none
	begun    bool                 // all is sent that the client begins a stream with
}

// sender is a stream.
type sender interface {
	send(message []byte)
	said() bool
	flush() error
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
	if config.Texts == nil {
		config.Texts = &Texts{}
	}
	c := &Client{config: config}
	for i := range c.versions {
		c.versions[i] = map[uint32]uint32{}
	}
	return c
}

// Len returns how many resources of the type the client has; call it only while Run is not running.
func (c *Client) Len(t cache.Type) int { return len(c.versions[t]) }

// Open reports whether the client has a stream on which it has said all that it has and wants: the server has let it in and
// listens, and answers, if there is anything to answer.
func (c *Client) Open() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stream != nil && c.begun && c.stream.said()
}

// Run connects and follows one stream until ctx ends or the stream fails. A failure that the server did not mean has the
// status Unavailable.
func (c *Client) Run(ctx context.Context) error {
	link, err := c.config.Link.take(func() (*conn, error) { return dial(ctx, c.server(), c.config.TLS) })
	if err == nil {
		defer c.config.Link.leave(link)
		err = c.follow(ctx, link)
	}
	return fmt.Errorf("client %s: %w", c.config.Node, err)
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

// follow opens a stream and waits for its end.
func (c *Client) follow(ctx context.Context, link *conn) error {
	c.mu.Lock()
	s, err := link.open(c.config.Token, c.received)
	if err != nil {
		c.mu.Unlock()
		return err
	}
	c.begin(s)
	c.mu.Unlock()
	if link.flush() != nil {
		link.cut() // Who reads knows why.
	}
	select {
	case err = <-s.ended:
	case <-ctx.Done():
		err = ctx.Err()
	}
	link.cancel(s, err)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stream = nil
	return err
}

// received takes a message, in the goroutine of the connection.
func (c *Client) received(s *stream, message []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stream != sender(s) {
		return nil // It came too late.
	}
	response, err := decode(message, c.config.Texts)
	if err != nil {
		return err
	}
	c.Bytes.Add(int64(response.Bytes))
	c.Bodies.Add(int64(response.Bodies))
	c.Resources.Add(int64(len(response.Resources)))
	if err := c.take(response); err != nil {
		return err
	}
	if err := c.stream.flush(); err != nil {
		return gone(err)
	}
	c.config.Received(c, response)
	return nil
}

// begin asks for clusters, and on a later stream at once for every type that was ever asked for: nothing
// need come for a client that has all. A stream that ended before it had asked for all makes no difference.
func (c *Client) begin(s sender) {
	c.stream, c.begun, c.asked = s, false, [cache.NumTypes]bool{}
	for t := range cache.Type(cache.NumTypes) {
		if t == cache.Cluster || c.wanted[t] {
			c.open(t, c.wants(t))
		}
	}
	c.begun = true
}

// wants are the names that follow from what the client has, sorted.
func (c *Client) wants(t cache.Type) []string {
	switch t {
	case cache.Endpoints:
		return assigned(c.names(cache.Cluster))
	case cache.Secret:
		return secrets
	case cache.Route:
		return routed(c.names(cache.Listener))
	default:
		return nil
	}
}

// names are those of the resources that the client has of a type, sorted.
func (c *Client) names(t cache.Type) []string {
	names := make([]string, 0, len(c.versions[t]))
	for n := range c.versions[t] {
		names = append(names, c.config.Texts.text(n))
	}
	slices.Sort(names)
	return names
}

// secrets are what every proxy asks for.
var secrets = []string{"identity", "roots"}

// take keeps what a response says, acknowledges it, and asks for what it leads to.
func (c *Client) take(r Response) error {
	t, ok := cache.TypeOf(r.TypeURL)
	if !ok {
		return fmt.Errorf("client %s: was sent the type %q", c.config.Node, r.TypeURL)
	}
	fresh := c.keep(t, r)
	c.say(request{typeURL: r.TypeURL, nonce: r.Nonce})
	c.follows(t, fresh)
	return nil
}

// keep notes what a response says, and returns the names that are new.
func (c *Client) keep(t cache.Type, r Response) (fresh []string) {
	for _, n := range r.Resources {
		name, version := c.config.Texts.number(n.Name), c.config.Texts.number(n.Version)
		had, known := c.versions[t][name]
		if !known {
			fresh = append(fresh, n.Name)
		}
		if known && had == version {
			c.Again.Add(1)
		}
		c.versions[t][name] = version
	}
	for _, name := range r.Removed {
		delete(c.versions[t], c.config.Texts.number(name))
	}
	return fresh
}

// follows asks as Envoy does: assignments and secrets for clusters, then listeners, then their routes.
func (c *Client) follows(t cache.Type, fresh []string) {
	switch t {
	case cache.Cluster:
		c.subscribe(cache.Endpoints, assigned(fresh))
	case cache.Endpoints:
		c.openOnce(cache.Secret, secrets)
	case cache.Secret:
		c.openOnce(cache.Listener, nil)
	case cache.Listener:
		c.subscribe(cache.Route, routed(fresh))
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

func (c *Client) openOnce(t cache.Type, names []string) {
	if !c.asked[t] {
		c.open(t, names)
	}
}

func (c *Client) subscribe(t cache.Type, names []string) {
	switch {
	case !c.asked[t]:
		c.open(t, names)
	case len(names) > 0:
		c.say(request{typeURL: t.URL(), subscribe: names})
	}
}

// open sends the first request of a type on the stream, with all that the client has of it.
func (c *Client) open(t cache.Type, names []string) {
	c.asked[t], c.wanted[t] = true, true
	r := request{typeURL: t.URL(), versions: c.versions[t]}
	if t != cache.Cluster && t != cache.Listener {
		r.subscribe = union(names, c.names(t))
	}
	if t == cache.Cluster {
		r.node, r.cluster = c.config.Node, c.config.Cluster
	}
	c.say(r)
}

func (c *Client) say(r request) { c.stream.send(r.message(c.config.Texts)) }

// union is the names, and behind them those that the client has besides.
func union(names, had []string) []string {
	known := make(map[string]bool, len(names))
	for _, name := range names {
		known[name] = true
	}
	return append(slices.Clone(names), slices.DeleteFunc(had, func(n string) bool { return known[n] })...)
}
