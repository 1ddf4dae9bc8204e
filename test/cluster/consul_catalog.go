package cluster

import (
	"context"

	"github.com/hashicorp/consul/api"
)

// Instance is an instance of a service in Consul's catalog, with one check.
// What it cannot say goes through Client: Catalog().Register, or
// Agent().ServiceRegister for services of an agent's own node.
//
// Its node is one that the servers do not gossip with. Its check must not be
// named serfHealth: the leader removes nodes with such a check that it cannot see.
type Instance struct {
	// Node is the node's name; it is made when it is new. NodeAddress is the node's address.
	Node, NodeAddress string
	// Service is the name, ID that of the instance on its node. Empty ID: Service.
	Service, ID string
	// Address is the instance's. Empty: Consul gives none, and the node's counts.
	Address string
	Port    int
	Tags    []string
	Meta    map[string]string
	// Status is that of the check: api.HealthPassing, HealthWarning or HealthCritical. Empty: passing.
	Status string
}

// Register puts an instance into the catalog, or in place of what was there.
func (c *Consul) Register(ctx context.Context, i Instance) error {
	_, err := c.Client().Catalog().Register(&api.CatalogRegistration{
		Node: i.Node, Address: i.NodeAddress,
		Service: &api.AgentService{ID: i.id(), Service: i.Service, Address: i.Address, Port: i.Port, Tags: i.Tags, Meta: i.Meta},
		Checks:  api.HealthChecks{i.check()},
	}, (&api.WriteOptions{}).WithContext(ctx))
	return err
}

// SetStatus changes nothing but the status of the check of a registered instance.
func (c *Consul) SetStatus(ctx context.Context, i Instance, status string) error {
	i.Status = status
	_, err := c.Client().Catalog().Register(&api.CatalogRegistration{
		Node: i.Node, SkipNodeUpdate: true, Checks: api.HealthChecks{i.check()},
	}, (&api.WriteOptions{}).WithContext(ctx))
	return err
}

// Deregister removes an instance, and leaves its node.
func (c *Consul) Deregister(ctx context.Context, node, id string) error {
	_, err := c.Client().Catalog().Deregister(&api.CatalogDeregistration{Node: node, ServiceID: id}, (&api.WriteOptions{}).WithContext(ctx))
	return err
}

// DeregisterNode removes a node with everything on it.
func (c *Consul) DeregisterNode(ctx context.Context, node string) error {
	_, err := c.Client().Catalog().Deregister(&api.CatalogDeregistration{Node: node}, (&api.WriteOptions{}).WithContext(ctx))
	return err
}

func (i Instance) id() string {
	if i.ID == "" {
		return i.Service
	}
	return i.ID
}

func (i Instance) check() *api.HealthCheck {
	check := &api.HealthCheck{
		Node: i.Node, CheckID: "service:" + i.id(), Name: "test", ServiceID: i.id(), ServiceName: i.Service, Status: i.Status,
	}
	if check.Status == "" {
		check.Status = api.HealthPassing
	}
	return check
}
