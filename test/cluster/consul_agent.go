package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"os"

	"github.com/hashicorp/consul/api"

	"outrigger.dev/outrigger/test/fault"
	"outrigger.dev/outrigger/test/process"
)

// firstHost is the host of a site that its first process gets. Host 1 guards the site's addresses.
const firstHost = 2

// ConsulAgentOptions says what AddAgent runs.
type ConsulAgentOptions struct {
	// Name is that of the agent's node.
	Name string
	// Config is laid over the configuration, at its top level, after that of the datacenter.
	Config map[string]any
}

// ConsulAgent is a process of a datacenter, server or client, with a loopback
// address of its own that it keeps. Start and Kill must not be called at the same time.
type ConsulAgent struct {
	// Name is that of the agent's node.
	Name string
	// IP is the address of the node.
	IP netip.Addr

	consul  *Consul
	server  bool
	config  string
	cert    keyPair // none: it is plain
	http    *http.Transport
	client  *api.Client
	process *process.Process // nil: it does not run
}

// AddAgent runs a client agent, which asks the servers, and waits until it answers.
func (c *Consul) AddAgent(ctx context.Context, o ConsulAgentOptions) (*ConsulAgent, error) {
	a, err := c.newAgent(o, false)
	if err != nil {
		return nil, err
	}
	if err := a.Start(ctx); err != nil {
		return nil, err
	}
	return a, a.AwaitReady(ctx)
}

// newAgent writes what an agent needs, and adds it to the datacenter; nothing runs yet.
func (c *Consul) newAgent(o ConsulAgentOptions, server bool) (*ConsulAgent, error) {
	a := &ConsulAgent{Name: o.Name, IP: c.site.ip(firstHost + len(c.agents)), consul: c, server: server}
	config := a.settings()
	if !c.options.Plain {
		if err := a.secure(config); err != nil {
			return nil, err
		}
	}
	maps.Copy(config, c.options.Config)
	maps.Copy(config, o.Config)
	text, err := json.MarshalIndent(config, "", "  ")
	if err != nil {
		return nil, err
	}
	if a.config, err = c.site.write(a.Name+".json", string(text)); err != nil {
		return nil, err
	}
	if err := a.connect(); err != nil {
		return nil, err
	}
	c.agents = append(c.agents, a)
	return a, nil
}

// settings is the configuration without TLS and ACLs.
func (a *ConsulAgent) settings() map[string]any {
	o := a.consul.options
	config := map[string]any{
		"node_name": a.Name, "datacenter": o.Datacenter, "data_dir": a.consul.site.path(a.Name),
		"bind_addr": a.IP, "client_addr": a.IP.String(),
		"ports":                a.ports(),
		"disable_update_check": true,
		"performance":          map[string]any{"raft_multiplier": 1},
		"log_level":            "info",
	}
	var servers []string
	for i := range o.Servers {
		servers = append(servers, a.consul.site.ip(firstHost+i).String())
	}
	if a.server {
		config["server"], config["bootstrap_expect"] = true, o.Servers
	}
	if o.Servers > 1 || !a.server {
		config["retry_join"], config["retry_interval"] = servers, "200ms"
	}
	if o.Beside != nil && a.server {
		config["retry_join_wan"], config["retry_interval_wan"] = []string{o.Beside.Servers[0].IP.String()}, "200ms"
	}
	return config
}

func (a *ConsulAgent) ports() map[string]any {
	ports := map[string]any{"dns": -1, "grpc": -1}
	if !a.consul.options.Plain {
		ports["http"], ports["https"] = -1, consulTLSPort
	}
	return ports
}

const (
	consulPort    = 8500
	consulTLSPort = 8501
)

// secure adds TLS and ACLs to a configuration.
func (a *ConsulAgent) secure(config map[string]any) error {
	c := a.consul
	name := "client"
	if a.server {
		name = "server"
	}
	var err error
	a.cert, err = c.pki.issue(a.Name, leaf{
		name: a.Name, dns: []string{name + "." + c.options.Datacenter + ".consul", "localhost"},
		ips: []netip.Addr{a.IP, netip.MustParseAddr("127.0.0.1")},
	})
	if err != nil {
		return err
	}
	config["tls"] = map[string]any{
		"defaults":     map[string]any{"ca_file": c.pki.caFile(), "cert_file": a.cert.cert, "key_file": a.cert.key, "verify_outgoing": true},
		"internal_rpc": map[string]any{"verify_incoming": true, "verify_server_hostname": true},
	}
	config["acl"] = map[string]any{
		"enabled": true, "default_policy": "deny",
		"tokens": map[string]any{"initial_management": c.token, "agent": c.token, "replication": c.token},
	}
	config["primary_datacenter"] = c.primary()
	return nil
}

// primary is the datacenter that holds the ACLs.
func (c *Consul) primary() string {
	if c.options.Beside != nil {
		return c.options.Beside.primary()
	}
	return c.options.Datacenter
}

// connect makes the client with all rights.
func (a *ConsulAgent) connect() (err error) {
	a.http = &http.Transport{}
	if !a.consul.options.Plain {
		ca, err := os.ReadFile(a.consul.CAFile())
		if err != nil {
			return err
		}
		a.http.TLSClientConfig = &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
		a.http.TLSClientConfig.RootCAs.AppendCertsFromPEM(ca)
	}
	a.client, err = api.NewClient(&api.Config{
		Address: a.Host(), Scheme: a.consul.Scheme(), Token: a.consul.token, HttpClient: &http.Client{Transport: a.http},
	})
	return err
}

// Host is the address and port for HTTP.
func (a *ConsulAgent) Host() string {
	port := consulTLSPort
	if a.consul.options.Plain {
		port = consulPort
	}
	return netip.AddrPortFrom(a.IP, uint16(port)).String()
}

// TLS lets a proxy log the requests to the agent. Nil: it is plain, and a proxy can do so anyway.
func (a *ConsulAgent) TLS() *fault.TLS {
	if a.consul.options.Plain {
		return nil
	}
	return &fault.TLS{CertFile: a.cert.cert, KeyFile: a.cert.key, CAFile: a.consul.CAFile()}
}

// URL is where the agent answers.
func (a *ConsulAgent) URL() string { return a.consul.Scheme() + "://" + a.Host() }

// Client asks this agent, with all rights.
func (a *ConsulAgent) Client() *api.Client { return a.client }

// Running says whether the agent has been started and not been killed.
func (a *ConsulAgent) Running() bool { return a.process != nil }

// Start starts the agent, which must not run, with the data that it had. It does not wait until it answers.
func (a *ConsulAgent) Start(ctx context.Context) (err error) {
	a.process, err = a.consul.site.start(ctx, "consul", a.Name, []string{"agent", "-config-file", a.config})
	return err
}

// Kill ends the agent as a crash would. It does nothing when the agent does not run.
func (a *ConsulAgent) Kill() {
	if a.process != nil {
		a.process.Kill()
		a.process = nil
	}
}

// AwaitReady waits until the agent answers with all rights, which needs a leader.
func (a *ConsulAgent) AwaitReady(ctx context.Context) error {
	return await(ctx, fmt.Sprintf("consul agent %s answers", a.Name), a.process, func(ctx context.Context) error {
		_, _, err := a.client.Catalog().Nodes((&api.QueryOptions{RequireConsistent: true}).WithContext(ctx))
		return err
	})
}
