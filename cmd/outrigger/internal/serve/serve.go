// Package serve wires the control plane together: data folder, source,
// compiler, feed, engine, listeners; it starts them, and stops them in order.
//
// It may import everything of Outrigger's. It decides nothing about the mesh:
// whatever has a rule of its own belongs to the package that the rule is about.
package serve

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"outrigger.dev/outrigger/policy"
)

// Config is what the flags of the server say.
type Config struct {
	// ConfigDir is a folder of YAML, Kubernetes a cluster and Consul a datacenter (beside those of the MeshConfig; without
	// an address there is none) that the mesh is made of; one at least.
	ConfigDir  string
	Kubernetes Kubernetes
	Consul     policy.ConsulSource
	// LastGoodFile keeps the last good state of registries; empty: nothing does.
	LastGoodFile string

	DataDir                  string
	XDSListen, MetricsListen string
	TrustDomain              string
	// ServerNames stand in the server's certificate beside "outrigger".
	ServerNames []string
	IdentityTTL time.Duration
	// DrainTime bounds how long streams may take to end.
	DrainTime time.Duration
	// ProxyDrainTime is for how long proxies drain a listener that changed or went; 0: the engine's default.
	ProxyDrainTime time.Duration
	// MaxConnectionAge ends the connections of proxies at that age, give or take 10 %; 0: never.
	MaxConnectionAge time.Duration
	// MaxStreams is how many streams of proxies may be open; 0: the engine's default.
	MaxStreams int
	// Replica is the name of this server among those of DataDir; empty: replica.Main. PeerListen is where servers on
	// other machines ask it, empty: nowhere; Peers are where it asks them.
	Replica, PeerListen string
	Peers               []string

	Logger            *slog.Logger
	Version, Revision string
}

// Kubernetes says which cluster to watch.
type Kubernetes struct {
	// Kubeconfig is a file; InCluster is the access of the pod that the server runs in. One of them, or neither.
	Kubeconfig string
	InCluster  bool
	// ClusterID names the cluster in logs, metrics and messages.
	ClusterID string
	// LeaseNamespace is where the lease of who writes conditions is.
	LeaseNamespace string
}

func (k Kubernetes) configured() bool { return k.Kubeconfig != "" || k.InCluster }

// Run serves until ctx ends, then drains; that is no error.
func Run(ctx context.Context, c Config) (err error) {
	limitMemory(ctx, c.Logger)
	if err := giveWay(); err != nil {
		c.Logger.WarnContext(ctx, "threads are scheduled as usual, not as SCHED_BATCH: permit sched_setattr to save processor time", "error", err)
	}
	identity, err := openIdentity(c)
	if err != nil {
		return err
	}
	replicas, err := openReplicas(c, identity)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, replicas.place.Close()) }()
	plane, err := newPlane(c, identity, replicas) //nolint:contextcheck // a stream's context is its client's, not that of the command
	if err != nil {
		return err
	}
	listeners, err := listen(ctx, c, replicas.place.Dir)
	if err != nil {
		return err
	}
	defer listeners.close()
	c.Logger.InfoContext(ctx, "serving", "version", c.Version, "sources", plane.sourceNames(), "data_dir", c.DataDir, "replica", replicas.place.Name,
		"trust_domain", c.TrustDomain, "xds", listeners.xds.Addr().String(), "metrics", listeners.metrics.Addr().String())
	return plane.run(ctx, listeners)
}
