package serve

import (
	"context"
	"fmt"
	"os"
	"time"

	certskube "outrigger.dev/outrigger/certs/kube"
	"outrigger.dev/outrigger/discovery/kube"
	policykube "outrigger.dev/outrigger/policy/kube"
)

// cluster is what the server does with a Kubernetes cluster besides reading its model.
type cluster struct {
	rest     *kube.Access
	policies *policykube.Source
	writer   *policykube.Writer
	reviewer *certskube.Reviewer
}

// openCluster makes the clients; nothing is asked yet. ready is closed when the whole mesh has been looked at.
func openCluster(c Config, ready <-chan struct{}) (*cluster, error) {
	if !c.Kubernetes.configured() {
		return nil, nil //nolint:nilnil // No cluster is configured, which is no error.
	}
	rest, err := kube.Open(c.Kubernetes.Kubeconfig)
	if err != nil {
		return nil, err
	}
	k := &cluster{rest: rest}
	if k.policies, err = policykube.New(policykube.Config{Name: c.Kubernetes.ClusterID, REST: rest, Logger: c.Logger}); err != nil {
		return nil, err
	}
	k.writer, err = policykube.NewWriter(policykube.WriterConfig{
		REST: rest, Logger: c.Logger, Identity: replicaIdentity(c), Ready: ready, LeaseNamespace: c.Kubernetes.LeaseNamespace,
	})
	if err != nil {
		return nil, err
	}
	client, err := certskube.NewClient(rest)
	if err != nil {
		return nil, err
	}
	k.reviewer, err = certskube.NewReviewer(certskube.Config{Client: client})
	return k, err
}

// replicaIdentity tells this server from others that write conditions.
func replicaIdentity(c Config) string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s-%d-%s", host, os.Getpid(), c.Replica)
}

// sourcesEvery is how often the condition of the sources is looked at.
const sourcesEvery = time.Second

// start runs what is not a source.
func (k *cluster) start(group *group, sources *watch) {
	group.start("conditions", k.writer.Run)
	group.start("condition of the sources", func(ctx context.Context) error {
		ticker := time.NewTicker(sourcesEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-ticker.C:
				k.writer.SetSources(sources.trouble())
			}
		}
	})
}
