package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/consul/api"

	"outrigger.dev/outrigger/test/cluster"
)

// consulRegistry is a Consul server with TLS and access rules.
type consulRegistry struct {
	consul *cluster.Consul
	token  string // a file
}

func openConsul(ctx context.Context, dir string) (registry, error) {
	consul, err := cluster.OpenConsul(ctx, cluster.ConsulOptions{})
	if err != nil {
		return nil, err
	}
	r := &consulRegistry{consul: consul, token: dir + "/token"}
	token, err := consul.MakeToken(ctx, cluster.ReadRules)
	if err == nil {
		err = token.WriteFile(r.token)
	}
	if err != nil {
		return nil, errors.Join(err, consul.Close())
	}
	return r, nil
}

func (r *consulRegistry) put(ctx context.Context, i, endpoints, generation int) error {
	for j := range endpoints {
		if generation > 0 && j > 0 {
			return nil // Only the first one is another.
		}
		if err := r.consul.Register(ctx, r.instance(i, j, endpoints, generation)); err != nil {
			return err
		}
	}
	return nil
}

func (r *consulRegistry) instance(i, j, endpoints, generation int) cluster.Instance {
	return cluster.Instance{
		Node: fmt.Sprintf("node-%d", j), NodeAddress: fmt.Sprintf("10.9.0.%d", 1+j),
		Service: serviceName(i), ID: fmt.Sprintf("%s-%d", serviceName(i), j),
		Address: endpointAddress(i, j, endpoints, generation).String(), Port: 80,
	}
}

// touch changes what the check of the second instance prints, which wakes its watch.
func (r *consulRegistry) touch(_ context.Context, i, n int) error {
	instance := r.instance(i, 1, 2, 0)
	_, err := r.consul.Client().Catalog().Register(&api.CatalogRegistration{
		Node: instance.Node, SkipNodeUpdate: true,
		Check: &api.AgentCheck{
			Node: instance.Node, CheckID: "bench:" + instance.ID, Name: "bench", Status: api.HealthPassing,
			ServiceID: instance.ID, Output: fmt.Sprint(n),
		},
	}, nil)
	return err
}

func (r *consulRegistry) assignment(i int) string {
	return "outbound|80||" + serviceName(i) + "." + namespace
}

func (r *consulRegistry) arguments() []string { return nil }

// config has the services appear in the namespace of the clients.
func (r *consulRegistry) config() string {
	return fmt.Sprintf(`apiVersion: outrigger.dev/v1alpha1
kind: MeshConfig
metadata: {name: default}
spec:
  consul:
  - {name: dc1, address: %q, tokenFile: %s, caFile: %s, meshNamespace: %s}
`, r.consul.URL(), r.token, r.consul.CAFile(), namespace)
}

func (r *consulRegistry) close() error { return r.consul.Close() }
