package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"

	"github.com/hashicorp/consul/api"
)

var errNoLeader = errors.New("there is no leader that runs")

// Leader is the server that leads.
func (c *Consul) Leader(ctx context.Context) (*ConsulAgent, error) {
	said, err := c.Client().Status().LeaderWithQueryOptions((&api.QueryOptions{}).WithContext(ctx))
	if err != nil {
		return nil, err
	}
	at, err := netip.ParseAddrPort(said)
	if err != nil {
		return nil, fmt.Errorf("%w: %q", errNoLeader, said)
	}
	for _, server := range c.Servers {
		if server.IP == at.Addr() && server.Running() {
			return server, nil
		}
	}
	return nil, fmt.Errorf("%w: %s", errNoLeader, said)
}

// AwaitLeader waits until a server that runs leads and answers consistent reads.
func (c *Consul) AwaitLeader(ctx context.Context) (leader *ConsulAgent, err error) {
	err = await(ctx, "consul has a leader", nil, func(ctx context.Context) (err error) {
		if leader, err = c.Leader(ctx); err != nil {
			return err
		}
		_, _, err = leader.Client().Catalog().Nodes((&api.QueryOptions{RequireConsistent: true}).WithContext(ctx))
		return err
	})
	return leader, err
}

// KillLeader ends the leader as a crash would, and returns it. It does not wait for another one.
func (c *Consul) KillLeader(ctx context.Context) (*ConsulAgent, error) {
	leader, err := c.AwaitLeader(ctx)
	if err != nil {
		return nil, err
	}
	leader.Kill()
	return leader, nil
}

// Snapshot is the state of the servers, for Restore.
func (c *Consul) Snapshot(ctx context.Context) ([]byte, error) {
	body, _, err := c.Client().Snapshot().Save((&api.QueryOptions{}).WithContext(ctx))
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return io.ReadAll(body)
}

// Restore sets the servers back to a state of before. Its indexes go back as well, and all blocking queries return.
func (c *Consul) Restore(ctx context.Context, snapshot []byte) error {
	return c.Client().Snapshot().Restore((&api.WriteOptions{}).WithContext(ctx), bytes.NewReader(snapshot))
}
