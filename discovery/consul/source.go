package consul

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"outrigger.dev/outrigger/discovery"
)

// Source watches a datacenter.
type Source struct {
	config Config
	stats  stats
	client *client
	// gate and pace bound the requests of the watches and of second reads together.
	gate chan struct{}
	pace *rate.Limiter
	// registrations are those of the services that are watched.
	registrations atomic.Pointer[map[discovery.ServiceID]registration]
	// home is the server's own datacenter, once it is known.
	home atomic.Pointer[string]
}

var (
	_ discovery.Source    = (*Source)(nil)
	_ discovery.Confirmer = (*Source)(nil)
	_ discovery.Measured  = (*Source)(nil)
)

// newSource takes a config that is complete.
func newSource(config Config, base *url.URL) *Source {
	base.Path = strings.TrimRight(base.Path, "/")
	if config.Seed == 0 {
		config.Seed = rand.Uint64()
	}
	s := &Source{config: config, gate: make(chan struct{}, config.MaxInFlight), pace: rate.NewLimiter(paceRate, paceBurst)}
	s.stats.connections = newConnections(config.Dial, config.MaxConnections)
	s.client = &client{config: &s.config, base: base, accesses: newAccesses(&s.config, s.stats.connections)}
	s.registrations.Store(new(map[discovery.ServiceID]registration))
	return s
}

// ID returns the name that updates carry.
func (s *Source) ID() discovery.SourceID { return s.config.id() }

// Stats returns what the source knows of its own watching. Lag is how far the server that answered last was behind its leader.
func (s *Source) Stats() discovery.Stats { return s.stats.snapshot() }

// paceRate and paceBurst bound how fast blocking queries and second reads are made in all.
const paceRate, paceBurst = 1000, 200

// Run sends the state of the datacenter, then what changes, until ctx ends; it returns ctx's error. Nothing else ends it:
// whatever cannot be read, files of access included, is trouble, and is tried again. It never closes out, and it goes on reading
// while nobody receives: changes merge. There must be one Run at a time.
func (s *Source) Run(ctx context.Context, out chan<- discovery.Update) error {
	s.stats.connections.Begin()
	group, ctx := errgroup.WithContext(ctx)
	incoming := make(chan news)
	r := &run{
		source: s,
		shared: &shared{
			config: &s.config, client: s.client, gate: s.gate, pace: s.pace,
			bell: newBell(), stats: &s.stats, news: incoming,
		},
		mesh: newMesh(&s.config), troubles: newTroubles(s.config.id().String()),
		group: group, incoming: incoming, watches: make(map[name]*running),
		random: rand.New(rand.NewPCG(s.config.Seed, 0)),
	}
	group.Go(func() error { return s.client.accesses.watch(ctx, s.config.Recheck) })
	group.Go(func() error { return r.loop(ctx, out) })
	err := group.Wait()
	s.client.accesses.close()
	return err
}

// Confirm reads the endpoints of a service from the leader, after that made sure that it still is one. An answer of which access
// rules hide a part is an error.
func (s *Source) Confirm(ctx context.Context, id discovery.ServiceID) (*discovery.EndpointSet, error) {
	n := name{service: id.Name}
	if known, ok := (*s.registrations.Load())[id]; ok {
		n = known.name
	} else if id.Namespace != s.config.MeshNamespace {
		return nil, fmt.Errorf("confirm service %s: %s has none in that namespace", id, s.ID())
	}
	found, err := s.confirm(ctx, n)
	if err != nil {
		return nil, fmt.Errorf("confirm service %s: %s: %w", id, s.ID(), err)
	}
	return setOf(n, discovery.ShardID{Service: id, Source: s.ID()}, found), nil
}

// confirm reads a service from the leader.
func (s *Source) confirm(ctx context.Context, n name) (instances, error) {
	decoder := s.decoder(n)
	path := watchID{kindHealth, n}.path()
	return again(func() (found instances, err error) {
		err = s.reread(ctx, request{path: path, peer: n.peer}, func(body []byte) (err error) {
			found, err = decoder.read(body)
			return err
		})
		return found, err
	})
}

// reread makes a request that the leader answers after it made sure that it still is one, when its turn has come. It gives an
// answer to read of which access rules hide nothing.
func (s *Source) reread(ctx context.Context, r request, read func(body []byte) error) error {
	if err := s.pace.Wait(ctx); err != nil {
		return fmt.Errorf("too many reads are under way: %w", err)
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case s.gate <- struct{}{}:
	}
	defer func() { <-s.gate }()
	r.consistency = confirmed
	_, err := s.client.get(ctx, r, func(a *answer, body []byte) error {
		if a.filtered {
			return errHidden
		}
		return read(body)
	})
	return err
}

// decoder returns one for the instances of a service.
func (s *Source) decoder(n name) *instanceDecoder {
	return &instanceDecoder{namespace: s.config.MeshNamespace, name: n, remote: s.remote}
}

// remote reports whether a datacenter is another than the server's own.
func (s *Source) remote(datacenter string) bool {
	home := s.home.Load()
	return s.config.Datacenter != "" && (home == nil || *home != datacenter)
}
