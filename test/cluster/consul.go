package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/consul/api"
)

// ConsulOptions says what StartConsul, OpenConsul and WithConsul run. The zero
// value is one server with TLS and ACLs, in the datacenter dc1.
type ConsulOptions struct {
	// Servers is how many there are: 1, or 3 so that a leader can be lost. Zero: 1.
	Servers int
	// Plain leaves out TLS and ACLs: plain HTTP/1.1 for anybody.
	Plain bool
	// Datacenter is the servers'. Empty: dc1.
	Datacenter string
	// Beside is the datacenter whose WAN pool the servers join. It must have another name, and be as plain.
	Beside *Consul
	// Config is laid over the configuration of every agent, at its top level,
	// such as {"limits": {"http_max_conns_per_client": 20}}.
	Config map[string]any
}

// Consul is a running Consul datacenter. Its methods may be called from several
// goroutines, except for those that start and end agents.
type Consul struct {
	// Servers are its servers, whether they run or not.
	Servers []*ConsulAgent

	options ConsulOptions
	site    *site
	pki     *pki
	token   string
	agents  []*ConsulAgent // servers, and what AddAgent added
}

// StartConsul runs a Consul datacenter for one test, which fails when that fails.
func StartConsul(tb TB, o ConsulOptions) *Consul {
	tb.Helper()
	c, err := OpenConsul(context.Background(), o)
	if err != nil {
		tb.Fatal(err)
	}
	endWith(tb, c)
	return c
}

// WithConsul runs a Consul datacenter for the tests of a package: from TestMain, with run being m.Run. It puts
// the datacenter into c, and returns the code to exit with.
func WithConsul(c **Consul, o ConsulOptions, run func() int) int {
	opened, err := OpenConsul(context.Background(), o)
	if err != nil {
		return complain(err)
	}
	*c = opened
	return endAfter(opened, run())
}

// OpenConsul runs a Consul datacenter until Close, and waits until it has a
// leader and answers. ctx limits the wait only. When it fails, nothing is left
// behind, and the error has the logs.
func OpenConsul(ctx context.Context, o ConsulOptions) (*Consul, error) {
	c, err := newConsul(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("consul: %w", err)
	}
	if err := c.launch(ctx); err != nil {
		err = fmt.Errorf("consul: %w\n%s", err, c.Logs())
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// newConsul prepares the folders, certificates and servers; nothing runs yet.
func newConsul(ctx context.Context, o ConsulOptions) (*Consul, error) {
	o.Servers = max(o.Servers, 1)
	if o.Datacenter == "" {
		o.Datacenter = "dc1"
	}
	site, err := newSite(ctx, "consul")
	if err != nil {
		return nil, err
	}
	c := &Consul{options: o, site: site}
	if err := c.prepare(); err != nil {
		return nil, errors.Join(err, site.close())
	}
	return c, nil
}

func (c *Consul) prepare() (err error) {
	switch beside := c.options.Beside; {
	case c.options.Plain:
	case beside != nil:
		c.pki, c.token = beside.pki, beside.token
	default:
		c.token = uuid()
		if c.pki, err = newPKI(c.site.path("pki")); err != nil {
			return err
		}
	}
	for i := range c.options.Servers {
		server, err := c.newAgent(ConsulAgentOptions{Name: fmt.Sprintf("%s-server-%d", c.options.Datacenter, i+1)}, true)
		if err != nil {
			return err
		}
		c.Servers = append(c.Servers, server)
	}
	return nil
}

func (c *Consul) launch(ctx context.Context) error {
	for _, server := range c.Servers {
		if err := server.Start(ctx); err != nil {
			return err
		}
	}
	if _, err := c.AwaitLeader(ctx); err != nil {
		return err
	}
	for _, server := range c.Servers {
		if err := server.AwaitReady(ctx); err != nil {
			return err
		}
	}
	return c.awaitBeside(ctx)
}

// awaitBeside waits until the datacenter beside which this one runs reaches it.
func (c *Consul) awaitBeside(ctx context.Context) error {
	if c.options.Beside == nil {
		return nil
	}
	return await(ctx, c.options.Datacenter+" is reached from the datacenter beside it", nil, func(ctx context.Context) error {
		_, _, err := c.options.Beside.Client().Catalog().Nodes((&api.QueryOptions{Datacenter: c.options.Datacenter}).WithContext(ctx))
		return err
	})
}

// Close ends all agents and removes what they wrote.
func (c *Consul) Close() error {
	for _, agent := range c.agents {
		agent.Kill()
		agent.http.CloseIdleConnections()
	}
	return c.site.close()
}

// Logs is the last that each agent said.
func (c *Consul) Logs() string {
	var all strings.Builder
	for _, agent := range c.agents {
		all.WriteString(tail(agent.Name, c.site.log(agent.Name)))
	}
	return all.String()
}

// URL is where the first server answers, such as "https://127.100.3.2:8501".
func (c *Consul) URL() string { return c.Servers[0].URL() }

// Host is the first server's address and port for HTTP, for a proxy that stands in between.
func (c *Consul) Host() string { return c.Servers[0].Host() }

// Scheme is https, or http when it is plain.
func (c *Consul) Scheme() string {
	if c.options.Plain {
		return "http"
	}
	return "https"
}

// Datacenter is the name of the datacenter.
func (c *Consul) Datacenter() string { return c.options.Datacenter }

// CAFile is the PEM file of the authority of the servers. Their certificates
// are also valid for 127.0.0.1 and localhost, where a proxy may listen. Empty: it is plain.
func (c *Consul) CAFile() string {
	if c.options.Plain {
		return ""
	}
	return c.pki.caFile()
}

// ManagementToken is a secret that may do everything. Empty: it is plain.
func (c *Consul) ManagementToken() string { return c.token }

// Client asks the first server that runs, with all rights.
func (c *Consul) Client() *api.Client {
	for _, server := range c.Servers {
		if server.Running() {
			return server.Client()
		}
	}
	return c.Servers[0].Client()
}

// uuid is a random UUID.
func uuid() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
