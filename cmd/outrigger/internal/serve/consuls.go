package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/discovery/consul"
	"outrigger.dev/outrigger/discovery/hold"
	"outrigger.dev/outrigger/policy"
)

// consuls are the Consul sources of the MeshConfig. They come and go with it, while those of the command line stay.
// want and the functions that it is given belong to the input's goroutine.
type consuls struct {
	// fixed are the names that the command line gave; a MeshConfig cannot take them.
	fixed  map[string]bool
	file   *hold.File
	logger *slog.Logger
	// expect, unexpect and forget tell the rest of the plane; watch shows the source.
	expect, unexpect func(discovery.SourceID)
	forget           func(context.Context, discovery.SourceID)
	watch            func(registry)
	news             chan<- news

	running map[string]*runningConsul
	work    sync.WaitGroup
}

// runningConsul is one source with what it was made from.
type runningConsul struct {
	config policy.ConsulSource
	held   *heldSource
	stop   context.CancelFunc
	ended  chan struct{}
}

func newConsuls(p *plane, i *input) *consuls {
	fixed := map[string]bool{}
	for _, r := range p.registries {
		if r.id.Kind == consul.Kind {
			fixed[r.id.Name] = true
		}
	}
	return &consuls{
		fixed: fixed, file: p.last, logger: p.config.Logger,
		expect: p.feed.Expect, unexpect: p.feed.Unexpect, forget: i.forget, news: i.news,
		watch: i.sources.add, running: map[string]*runningConsul{},
	}
}

// want starts and stops sources so that these run, and returns what is wrong with those that do not.
func (c *consuls) want(ctx context.Context, wanted []policy.ConsulSource) (problems []discovery.Problem) {
	names := map[string]bool{}
	for _, config := range wanted {
		names[config.Name] = true
		if reason, err := c.wantOne(ctx, config); err != nil {
			problems = append(problems, discovery.Problem{
				Object: meshConfigID, Field: fmt.Sprintf("spec.consul[%s]", config.Name), Reason: reason, Message: err.Error(), Warning: true,
			})
		}
	}
	for name, old := range c.running {
		if !names[name] {
			c.end(old)
			delete(c.running, name)
			c.unexpect(old.held.id)
			c.forget(ctx, old.held.id)
			if c.file != nil {
				c.file.Forget(old.held.id)
			}
		}
	}
	return problems
}

// errConsulTwice says that a MeshConfig names what the command line has named.
var errConsulTwice = errors.New("it has the name of the Consul of --consul-address and is not watched: give it another name")

// wantOne returns why a source does not run, and a word for it.
func (c *consuls) wantOne(ctx context.Context, config policy.ConsulSource) (reason string, err error) {
	old := c.running[config.Name]
	if old != nil && old.config.Equal(&config) {
		return "", nil
	}
	if c.fixed[config.Name] {
		return "Duplicate", errConsulTwice
	}
	next, err := c.start(ctx, config, old)
	if err != nil {
		// The old one goes on: what it says is better than nothing.
		return "Invalid", fmt.Errorf("it cannot be watched: %w", err)
	}
	c.running[config.Name] = next
	return "", nil
}

// start runs a source in the place of an older one, whose state stays until the new one has told its own.
func (c *consuls) start(ctx context.Context, config policy.ConsulSource, old *runningConsul) (*runningConsul, error) {
	source, err := newConsul(config, c.logger)
	if err != nil {
		return nil, err
	}
	held, err := holdSource(source, hold.Config{Logger: c.logger, File: c.file, Before: c.succeed(ctx, old)})
	if err != nil {
		return nil, err
	}
	next, watched := &runningConsul{config: config, held: held, ended: make(chan struct{})}, held.registry()
	c.expect(watched.id)
	c.watch(watched)
	var life context.Context
	life, next.stop = context.WithCancel(ctx)
	c.work.Go(func() {
		defer close(next.ended)
		if err := watched.run(life, c.news); life.Err() == nil {
			// Nothing else ends a Consul's source: it would be a fault of the program's.
			c.logger.ErrorContext(ctx, "a Consul of the MeshConfig is not watched any more: restart the server", "source", watched.id.String(), "error", err)
		}
	})
	return next, nil
}

// succeed ends a source, which may be nil, and returns the state that the one in its place begins with.
func (c *consuls) succeed(ctx context.Context, old *runningConsul) *hold.State {
	if old == nil {
		return nil
	}
	c.end(old)
	state, whole := old.held.State()
	if !whole {
		// What it told so far is the beginning of a state: the next one tells all of it.
		c.forget(ctx, old.held.id)
		return nil
	}
	return &state
}

func (c *consuls) end(old *runningConsul) {
	old.stop()
	<-old.ended
}

// wait returns when all sources have ended, which they do with the context that want was given.
func (c *consuls) wait() {
	c.work.Wait()
}

// newConsul makes the source of a Consul, of the MeshConfig or the command line.
func newConsul(c policy.ConsulSource, logger *slog.Logger) (*consul.Source, error) {
	return consul.New(consul.Config{
		Name: c.Name, Address: c.Address, TokenFile: c.TokenFile, CAFile: c.CAFile,
		Datacenter: c.Datacenter, Namespace: c.Namespace, Partition: c.Partition,
		MeshNamespace: c.MeshNamespace, Peers: peersOf(c.Peers), Logger: logger,
	})
}

func peersOf(from []policy.ConsulPeer) []consul.Peer {
	peers := make([]consul.Peer, len(from))
	for i, peer := range from {
		peers[i] = consul.Peer{Name: peer.Name, Services: peer.Services}
	}
	return peers
}
