package serve

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"outrigger.dev/outrigger/cmd/outrigger/internal/metrics"
	"outrigger.dev/outrigger/discovery/file"
	"outrigger.dev/outrigger/xds/cache"
	"outrigger.dev/outrigger/xds/debug"
	"outrigger.dev/outrigger/xds/replica"
)

// replicas is what makes this server one of several.
type replicas struct {
	place  *replica.Held
	ledger *debug.Ledger
	// serverTLS and clientTLS are for other replicas; peers exist once the debug views do.
	serverTLS, clientTLS *tls.Config
	peers                *replica.Peers
}

// openReplicas takes the place of this server, for this process alone.
func openReplicas(c Config, id *identity) (*replicas, error) {
	if c.Replica == "" {
		c.Replica = replica.Main
	}
	place, err := replica.PlaceOf(c.DataDir, c.Replica)
	if err != nil {
		return nil, err
	}
	r := &replicas{ledger: &debug.Ledger{}}
	if r.serverTLS, r.clientTLS, err = id.authority.PeerTLS(); err != nil {
		return nil, err
	}
	if r.place, err = place.Take(); err != nil {
		return nil, err
	}
	return r, nil
}

// addReplicas makes the debug views, and who asks other replicas for theirs.
func (p *plane) addReplicas(views debug.Config, id *identity) {
	r := p.replicas
	views.Replica, views.Ledger, views.Settings = r.place.Name, r.ledger, settings(p.config, id)
	if dir := p.config.ConfigDir; dir != "" {
		views.Standing = func() (string, error) { return file.Revision(dir) }
	}
	p.debug = debug.New(views)
	r.peers = replica.New(replica.Config{
		Own: p.debug, Place: r.place.Place, DataDir: p.config.DataDir,
		Addresses: p.config.Peers, TLS: r.clientTLS, Logger: p.config.Logger,
	})
}

// settings are those that all replicas must have alike: with others they would give a proxy something else.
func settings(c Config, id *identity) map[string]string {
	return map[string]string{
		"version": c.Version, "authority": id.authority.Bundle().Version, "trust domain": c.TrustDomain,
		"identity ttl": c.IdentityTTL.String(), "proxy drain time": retireDelay(c.ProxyDrainTime).String(),
	}
}

// startReplicas starts the asking, and the listener for others where there is one.
func (p *plane) startReplicas(group *group, l *listeners) {
	group.start("replicas", p.replicas.peers.Run)
	if l.peers != nil {
		group.start("peers", func(ctx context.Context) error {
			return serveHTTP(ctx, tls.NewListener(l.peers, p.replicas.serverTLS), p.debug.PeerHandler())
		})
	}
}

// listenPeers opens the listener for other replicas where one is wanted.
func listenPeers(ctx context.Context, c Config) (net.Listener, error) {
	if c.PeerListen == "" {
		return nil, nil //nolint:nilnil // No address is no listener, and no error.
	}
	return listenTCP(ctx, "--peer-listen", c.PeerListen)
}

// noted remembers which revision is visible with which publication.
func (r *replicas) noted(revision string, publication cache.Rev) {
	r.ledger.Note(revision, publication, time.Now())
}

// forMetrics is what the metrics show.
func (r *replicas) forMetrics() []metrics.Replica {
	known := r.peers.Known()
	list := make([]metrics.Replica, len(known))
	for i, peer := range known {
		list[i] = metrics.Replica{Name: peer.Name, Up: peer.State == replica.StateUp}
	}
	return list
}
