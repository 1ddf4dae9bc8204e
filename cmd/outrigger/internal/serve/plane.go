package serve

import (
	"context"
	"runtime"
	"time"

	"google.golang.org/grpc"

	"outrigger.dev/outrigger/certs"
	"outrigger.dev/outrigger/cmd/outrigger/internal/metrics"
	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/discovery/hold"
	"outrigger.dev/outrigger/discovery/merge"
	"outrigger.dev/outrigger/policy/compile"
	"outrigger.dev/outrigger/xds/build"
	"outrigger.dev/outrigger/xds/cache"
	"outrigger.dev/outrigger/xds/debug"
	"outrigger.dev/outrigger/xds/feed"
	"outrigger.dev/outrigger/xds/server"
	"outrigger.dev/outrigger/xds/transport"
)

// plane is the control plane, put together and not started.
type plane struct {
	config Config
	ready  *readiness
	// looked is closed when the whole mesh has been looked at, so that it is known what is wrong with what.
	looked  chan struct{}
	metrics *metrics.Metrics

	registries []registry
	cluster    *cluster // nil without one
	last       *hold.File
	input      *input
	feed       *feed.Feed

	engine *server.Server
	xds    *transport.Server
	debug  *debug.Service
	csds   *grpc.Server

	replicas  *replicas
	collector *collector
}

// newPlane puts the parts together in the order in which data goes through them.
func newPlane(c Config, id *identity, replicas *replicas) (*plane, error) {
	p := &plane{config: c, ready: newReadiness(), replicas: replicas, looked: make(chan struct{}), collector: newCollector()}
	p.metrics = metrics.New(metrics.Build{Version: c.Version, Revision: c.Revision, Go: runtime.Version()})
	store, problems, members := cache.NewStore(), newBoard(), newMembers()
	if err := p.addSources(); err != nil {
		return nil, err
	}
	if err := p.addInput(store, problems, members); err != nil {
		return nil, err
	}
	sessions := newSecrets(c.TrustDomain, certs.NewIssuer(id.authority))
	auth := newAuthenticator(id.tokens, members, p.feed.Ready(), c.Logger).reviews(p.cluster)
	if err := p.addEngine(store, auth, sessions, id); err != nil {
		return nil, err
	}
	p.addReplicas(debug.Config{
		Store: store, Engine: p.engine, Problems: problems.forDebug, Sources: p.input.sources.forDebug,
	}, id)
	p.csds = grpc.NewServer()
	p.debug.RegisterCSDS(p.csds)
	p.metrics.Watch(metrics.State{
		Store: store.Stats, Sources: p.input.sources.forMetrics, Problems: problems.forMetrics,
		Refused: func(ctx context.Context) ([]metrics.Refusal, bool) { return refused(ctx, p.engine.Streams) },
		Signed:  id.authority.Signed, Replicas: p.replicas.forMetrics, LeafEnd: sessions.firstEnd,
		RootsEnd: func() time.Time { return id.authority.Bundle().NotAfter() }, Clock: time.Now,
	})
	return p, nil
}

// addSources makes what the mesh is read from.
func (p *plane) addSources() (err error) {
	c := p.config
	if p.last, err = openLastGood(c); err != nil {
		return err
	}
	if p.cluster, err = openCluster(c, p.looked); err != nil {
		return err
	}
	if c.ConfigDir != "" {
		if err := p.addSource(folder(c)); err != nil {
			return err
		}
	}
	if p.cluster != nil {
		registries, err := clusterRegistries(c, p.cluster, p.last)
		if err != nil {
			return err
		}
		p.registries = append(p.registries, registries...)
	}
	if c.Consul.Address != "" {
		return p.addSource(consulRegistry(c, p.last))
	}
	return nil
}

func (p *plane) addSource(r registry, err error) error {
	if err == nil {
		p.registries = append(p.registries, r)
	}
	return err
}

// sourceNames are for the log.
func (p *plane) sourceNames() []string {
	names := make([]string, len(p.registries))
	for i, r := range p.registries {
		names[i] = r.id.String()
	}
	return names
}

// addInput makes everything up to the store: compiler, builder, feed, and what the sources tell.
func (p *plane) addInput(store *cache.Store, problems *board, members *members) error {
	compiler, err := compile.New(compile.Config{TrustDomain: p.config.TrustDomain})
	if err != nil {
		return err
	}
	sources, ids := newWatch(), make([]discovery.SourceID, 0, len(p.registries))
	for _, r := range p.registries {
		ids = append(ids, r.id)
		sources.add(r)
		p.ready.waitSource(r.id.String(), "has not been read yet")
	}
	p.feed, err = feed.New(feed.Config{
		Builder: build.New(build.Config{TrustDomain: p.config.TrustDomain}), Store: store, Sources: ids,
		RetireDelay: retireDelay(p.config.ProxyDrainTime), Revised: p.replicas.noted,
		Observer: &feedObserver{
			Feed: p.metrics.Feed, problems: problems, ready: p.ready, looked: p.looked, logger: p.config.Logger,
		},
	})
	if err != nil {
		return err
	}
	p.input = &input{
		news: make(chan news), claims: newClaims(), compiler: compiler, merge: merge.New(), members: members, problems: problems,
		sources: sources, feed: p.feed, logger: p.config.Logger,
	}
	p.input.consuls = newConsuls(p, p.input)
	if p.cluster != nil {
		p.input.took, problems.told = p.cluster.writer.Took, p.cluster.writer.Set
	}
	return nil
}

// drainMargin is added to what proxies drain for.
const drainMargin = 5 * time.Second

// retireDelay is for how long a peer that went is accepted still: a listener that drains may speak to it until
// its end. 0 leaves it to the feed, as the engine's drain time is left to the engine.
func retireDelay(proxyDrain time.Duration) time.Duration {
	if proxyDrain == 0 {
		return 0
	}
	return proxyDrain + drainMargin
}

// addEngine makes everything behind the store.
func (p *plane) addEngine(store *cache.Store, auth *authenticator, sessions *secrets, id *identity) error {
	var err error
	p.engine, err = server.New(server.Config{
		Store: store, Auth: auth, Secrets: sessions, Observer: engineObserver{p.metrics.Engine, p.collector}, Logger: p.config.Logger,
		Synced: p.feed.Ready(), Identifier: "outrigger " + p.config.Version,
		MemoryShort: newMemory().short,
		Timing:      server.Timing{Drain: p.config.ProxyDrainTime, MaxConnectionAge: p.config.MaxConnectionAge},
		Limits:      server.Limits{Streams: p.config.MaxStreams},
	})
	if err != nil {
		return err
	}
	p.xds, err = p.engine.Transport(id.serverTLS)
	return err
}

// run starts all parts, waits for the end of ctx, and stops them.
func (p *plane) run(ctx context.Context, l *listeners) error {
	group := newGroup(ctx)
	for _, r := range p.registries {
		group.start(r.id.String(), func(ctx context.Context) error { return r.run(ctx, p.input.news) })
	}
	group.start("input", p.input.run)
	if p.last != nil {
		group.start("last-good file", p.last.Run)
	}
	if p.cluster != nil {
		p.cluster.start(group, p.input.sources)
	}
	group.start("feed", p.feed.Run)
	group.start("memory", p.collector.run)
	group.start("xds", func(ctx context.Context) error { return serveXDS(ctx, p.xds, l.xds) })
	group.start("csds", func(ctx context.Context) error { return serveGRPC(ctx, p.csds, l.csds) })
	group.start("debug", func(ctx context.Context) error {
		return serveHTTP(ctx, l.debug, p.replicas.peers.Handler(p.debug.Handler()))
	})
	group.start("status", func(ctx context.Context) error {
		return serveHTTP(ctx, l.metrics, statusHandler(p.metrics.Handler(), p.ready))
	})
	p.startReplicas(group, l)
	return group.wait(ctx, p.drain)
}

// drain ends the streams while everything else still works.
func (p *plane) drain(ctx context.Context) {
	p.ready.wait("server", "draining")
	p.config.Logger.InfoContext(ctx, "draining", "limit", p.config.DrainTime.String())
	limited, cancel := context.WithTimeout(ctx, p.config.DrainTime)
	defer cancel()
	err := p.engine.Drain(limited)
	stopGracefully(ctx, p.xds)
	if err != nil {
		p.config.Logger.WarnContext(ctx, "streams were cut at the end of the drain time")
		return
	}
	p.config.Logger.InfoContext(ctx, "drained")
}
