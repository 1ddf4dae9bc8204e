package serve

import (
	"context"
	"path/filepath"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/discovery/file"
	"outrigger.dev/outrigger/discovery/hold"
	"outrigger.dev/outrigger/discovery/kube"
)

// registry is one source that the command line names.
type registry struct {
	id discovery.SourceID
	// run tells what the source says until ctx ends.
	run func(context.Context, chan<- news) error
	// stats and held are nil where the source does not know.
	stats func() discovery.Stats
	held  func() hold.Status
}

// folder is the source of --config-dir. It holds by itself what it cannot read, file by file, and a file's
// model and policies belong together.
func folder(c Config) (registry, error) {
	dir, err := filepath.Abs(c.ConfigDir)
	if err != nil {
		return registry{}, err
	}
	source, err := file.New(file.Config{Dir: dir, Name: filepath.Base(dir), Logger: c.Logger})
	if err != nil {
		return registry{}, err
	}
	return registry{id: source.ID(), run: func(ctx context.Context, to chan<- news) error {
		return relay(ctx, source.Run, newsOfFolder, to)
	}}, nil
}

// heldSource is a source with what holds it.
type heldSource struct {
	*hold.Held
	id    discovery.SourceID
	stats func() discovery.Stats
}

// measured is what every source of a registry is.
type measured interface {
	discovery.Source
	discovery.Measured
	ID() discovery.SourceID
}

// holdSource holds a source; the Config says the rest.
func holdSource(source measured, c hold.Config) (*heldSource, error) {
	c.Source, c.ID = source, source.ID()
	held, err := hold.New(c)
	if err != nil {
		return nil, err
	}
	return &heldSource{Held: held, id: c.ID, stats: source.Stats}, nil
}

func (h *heldSource) registry() registry {
	return registry{id: h.id, stats: h.stats, held: h.Status, run: func(ctx context.Context, to chan<- news) error {
		return relay(ctx, h.Run, newsOfRegistry, to)
	}}
}

// consulRegistry is the source of --consul-address.
func consulRegistry(c Config, last *hold.File) (registry, error) {
	source, err := newConsul(c.Consul, c.Logger)
	if err != nil {
		return registry{}, err
	}
	held, err := holdSource(source, hold.Config{Logger: c.Logger, File: last})
	if err != nil {
		return registry{}, err
	}
	return held.registry(), nil
}

// clusterRegistries are the model and the policies of --kubeconfig or --in-cluster.
func clusterRegistries(c Config, cluster *cluster, last *hold.File) ([]registry, error) {
	source, err := kube.New(kube.Config{Name: c.Kubernetes.ClusterID, REST: cluster.rest, Logger: c.Logger})
	if err != nil {
		return nil, err
	}
	held, err := holdSource(source, hold.Config{Logger: c.Logger, File: last})
	if err != nil {
		return nil, err
	}
	policies := cluster.policies
	id := policiesOf(source.ID())
	heldPolicies, err := hold.NewPolicies(hold.PoliciesConfig{Source: policies, ID: id, Logger: c.Logger, File: last})
	if err != nil {
		return nil, err
	}
	return []registry{held.registry(), {
		id: id, stats: policies.Stats, held: heldPolicies.Status,
		run: func(ctx context.Context, to chan<- news) error {
			return relay(ctx, heldPolicies.Run, newsOfPolicies, to)
		},
	}}, nil
}
