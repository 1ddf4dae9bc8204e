package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"time"

	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	stockcache "github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	stockserver "github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"outrigger.dev/outrigger/certs"
	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/discovery/file"
	"outrigger.dev/outrigger/policy/compile"
	"outrigger.dev/outrigger/xds/build"
	"outrigger.dev/outrigger/xds/cache"
	"outrigger.dev/outrigger/xds/feed"
)

// stockCommand is the hidden word by which the program starts itself as the server to compare with.
const stockCommand = "serve-stock"

// runStock serves the mesh of a folder by go-control-plane's server: our source and
// core make the resources, its SnapshotCache keeps and sends them, one snapshot a node.
func runStock(ctx context.Context, args []string) error {
	if len(args) != 4 {
		return errors.New(stockCommand + ": want a folder, an address, a number of nodes and one of groups")
	}
	nodes, err := strconv.Atoi(args[2])
	if err != nil {
		return fmt.Errorf("number of nodes: %w", err)
	}
	groups, err := strconv.Atoi(args[3])
	if err != nil {
		return fmt.Errorf("number of groups: %w", err)
	}
	authority, err := certs.Open(certs.Config{Dir: args[0] + "/data", TrustDomain: trustDomain})
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	store, ready, err := pipeline(ctx, group, args[0]+"/mesh")
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return group.Wait()
	case <-ready:
	}
	s := &stock{store: store, nodes: nodes, groups: groups, cache: stockcache.NewSnapshotCache(true, stockcache.IDHash{}, nil)}
	group.Go(func() error { return s.follow(ctx, func() error { return s.listen(ctx, group, authority, args[1]) }) })
	return group.Wait()
}

// pipeline runs source, compiler and core, and publishes into the store that it returns.
func pipeline(ctx context.Context, group *errgroup.Group, dir string) (*cache.Store, <-chan struct{}, error) {
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	source, err := file.New(file.Config{Dir: dir, Name: "bench", Logger: logger})
	if err != nil {
		return nil, nil, err
	}
	compiler, err := compile.New(compile.Config{TrustDomain: trustDomain})
	if err != nil {
		return nil, nil, err
	}
	store := cache.NewStore()
	f, err := feed.New(feed.Config{
		Builder: build.New(build.Config{TrustDomain: trustDomain}), Store: store,
		Sources: []discovery.SourceID{source.ID()}, Observer: silent{},
	})
	if err != nil {
		return nil, nil, err
	}
	updates := make(chan file.Update)
	group.Go(func() error { return source.Run(ctx, updates) })
	group.Go(func() error { return f.Run(ctx) })
	group.Go(func() error {
		for {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case u := <-updates:
				rules, _ := compiler.Apply(compile.Objects(u.Policies))
				f.Offer(feed.Input{Update: u.Update, Rules: rules, ReadAt: u.ReadAt})
			}
		}
	})
	return store, f.Ready(), nil
}

// silent observes nothing.
type silent struct{}

func (silent) Synced()                              {}
func (silent) Trouble(discovery.SourceID, error)    {}
func (silent) Applied(build.Changes, time.Duration) {}
func (silent) Sent(time.Duration)                   {}
func (silent) Propagated(time.Duration)             {}

// stock copies what one client of each group sees into the snapshots of all clients of the group.
type stock struct {
	store         *cache.Store
	nodes, groups int
	cache         stockcache.SnapshotCache
	rev           int
}

// followed is the view of a group.
type followed struct {
	group int
	sub   *cache.Subscription
	set   cache.Rev // what the snapshots were made from; 0: there are none
}

// follow sets the snapshots of a group whenever its view changes; served is called once all are set.
func (s *stock) follow(ctx context.Context, served func() error) error {
	wakes := make(chan struct{}, 1)
	views := make([]*followed, s.groups)
	for g := range views {
		sub, err := s.store.Subscribe(namespace+"/"+clientName(g), func() {
			select {
			case wakes <- struct{}{}:
			default:
			}
		})
		if err != nil {
			return err
		}
		defer sub.Close()
		views[g] = &followed{group: g, sub: sub}
	}
	if err := s.setAll(ctx, views); err != nil {
		return err
	}
	if err := served(); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-wakes:
			if err := s.setAll(ctx, views); err != nil {
				return err
			}
		}
	}
}

// setAll sets the snapshots of those views that have changed.
func (s *stock) setAll(ctx context.Context, views []*followed) error {
	for _, v := range views {
		snapshot, ok := v.sub.Current()
		if !ok {
			return fmt.Errorf("%s is no workload of the mesh", clientName(v.group))
		}
		if snapshot.Rev() == v.set {
			continue
		}
		if err := s.set(ctx, v.group, snapshot); err != nil {
			return err
		}
		v.set = snapshot.Rev()
	}
	return nil
}

func (s *stock) set(ctx context.Context, group int, snapshot *cache.Snapshot) error {
	resources := map[resource.Type][]types.Resource{resource.SecretType: {
		&tlsv3.Secret{Name: "identity"}, &tlsv3.Secret{Name: "roots"},
	}}
	var failed error
	for t := range cache.NumTypes {
		snapshot.All(cache.Type(t), func(r *cache.Resource) bool {
			var message proto.Message
			message, failed = (&anypb.Any{TypeUrl: r.Type().URL(), Value: r.Body()}).UnmarshalNew()
			resources[r.Type().URL()] = append(resources[r.Type().URL()], message)
			return failed == nil
		})
	}
	if failed != nil {
		return fmt.Errorf("decode a resource: %w", failed)
	}
	s.rev++
	for i := group; i < s.nodes; i += s.groups {
		perNode, err := stockcache.NewSnapshot(strconv.Itoa(s.rev), resources)
		if err != nil {
			return fmt.Errorf("snapshot: %w", err)
		}
		if err := s.cache.SetSnapshot(ctx, namespace+"/"+clientName(i), perNode); err != nil {
			return fmt.Errorf("set a snapshot: %w", err)
		}
	}
	return nil
}

func (s *stock) listen(ctx context.Context, group *errgroup.Group, authority *certs.Authority, address string) error {
	config, err := authority.ServerTLS(nil)
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(config)), grpc.MaxRecvMsgSize(16<<20))
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(server, stockserver.NewServer(ctx, s.cache, nil))
	group.Go(func() error { return server.Serve(listener) })
	group.Go(func() error { <-ctx.Done(); server.Stop(); return ctx.Err() })
	return nil
}
