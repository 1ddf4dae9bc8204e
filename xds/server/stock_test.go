package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	stockcache "github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	stockserver "github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"

	"outrigger.dev/outrigger/xds/cache"
)

// stock is go-control-plane's server with its SnapshotCache, which is set anew whenever what the node sees changes.
type stock struct {
	*mesh
	t         *testing.T
	grpc      *grpc.Server
	sub       *cache.Subscription
	snapshots stockcache.SnapshotCache
	secrets   map[string]string // versions
	rev       int
	synced    bool
	last      stockcache.Snapshot
}

// newStock starts it. What its cache calls ADS puts responses in order, and answers no state-of-the-world client that names less than
// all there is.
func newStock(t *testing.T, text string, ads bool) *stock {
	t.Helper()
	s := &stock{
		t: t, mesh: &mesh{tb: t, store: cache.NewStore(), listener: bufconn.Listen(1 << 16)}, secrets: map[string]string{},
		snapshots: stockcache.NewSnapshotCache(ads, stockcache.IDHash{}, nil), synced: !waitsForSync(text),
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.grpc = grpc.NewServer(grpc.Creds(credentials.NewTLS(serverTLS())))
	discovery.RegisterAggregatedDiscoveryServiceServer(s.grpc, stockserver.NewServer(ctx, s.snapshots, nil))
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = s.grpc.Serve(s.listener)
	}()
	t.Cleanup(func() {
		cancel()
		s.grpc.Stop()
		<-served
	})
	return s
}

func (s *stock) connect() *client { return s.mesh.connect("web", "") }

func (*stock) identifier() string { return "" }

// version is the hash that the cache makes of a body.
func (*stock) version(ref cache.Ref, version string) string {
	body, err := stockcache.MarshalResource(stockResource(ref, version))
	if err != nil {
		panic(err)
	}
	return stockcache.HashResource(body)
}

// plain reads the version back from where stockResource has put it.
func (*stock) plain(r *discovery.Resource) string {
	message, err := r.Resource.UnmarshalNew()
	if err != nil {
		return err.Error()
	}
	switch m := message.(type) {
	case *clusterv3.Cluster:
		return m.AltStatName
	case *endpointv3.ClusterLoadAssignment:
		for version := range m.NamedEndpoints {
			return version
		}
	case *listenerv3.Listener:
		return m.StatPrefix
	case *routev3.RouteConfiguration:
		return m.InternalOnlyHeaders[0]
	case *tlsv3.Secret:
		return m.GetGenericSecret().GetSecret().GetInlineString()
	}
	return "?"
}

// stockResource makes a message with the version in one of its fields.
func stockResource(ref cache.Ref, version string) proto.Message {
	switch ref.Type {
	case cache.Cluster:
		return &clusterv3.Cluster{Name: ref.Name, AltStatName: version}
	case cache.Endpoints:
		return &endpointv3.ClusterLoadAssignment{ClusterName: ref.Name, NamedEndpoints: map[string]*endpointv3.Endpoint{version: {}}}
	case cache.Listener:
		return &listenerv3.Listener{Name: ref.Name, StatPrefix: version}
	case cache.Route:
		return &routev3.RouteConfiguration{Name: ref.Name, InternalOnlyHeaders: []string{version}}
	default:
		text := &corev3.DataSource{Specifier: &corev3.DataSource_InlineString{InlineString: version}}
		return &tlsv3.Secret{Name: ref.Name, Type: &tlsv3.Secret_GenericSecret{GenericSecret: &tlsv3.GenericSecret{Secret: text}}}
	}
}

func (s *stock) publish(p cache.Publication) {
	s.store.Publish(p)
	if s.sub == nil {
		sub, err := s.store.Subscribe("shop/web", nil)
		if err != nil {
			s.t.Fatal(err)
		}
		s.sub = sub
	}
	s.set()
}

// set makes a snapshot of all that the node sees; while the sources are not synced there is none.
func (s *stock) set() {
	snapshot, ok := s.sub.Current()
	if !ok {
		s.snapshots.ClearSnapshot("shop/web")
	}
	if !ok || !s.synced {
		return
	}
	resources := map[resource.Type][]types.Resource{}
	add := func(ref cache.Ref, version string) {
		url := ref.Type.URL()
		resources[url] = append(resources[url], stockResource(ref, version))
	}
	for t := range cache.Type(cache.NumTypes) {
		snapshot.All(t, func(r *cache.Resource) bool {
			add(cache.Ref{Type: t, Name: r.Name()}, r.Version())
			return true
		})
	}
	for name, version := range s.secrets {
		add(cache.Ref{Type: cache.Secret, Name: name}, version)
	}
	s.rev++
	all, err := stockcache.NewSnapshot(fmt.Sprint(s.rev), resources)
	s.keepVersions(all)
	if err = errors.Join(err, s.snapshots.SetSnapshot(s.t.Context(), "shop/web", all)); err != nil {
		s.t.Fatal(err)
	}
}

// keepVersions gives a type that did not change the version that it had: it is for the state-of-the-world form.
func (s *stock) keepVersions(all *stockcache.Snapshot) {
	for i := range all.Resources {
		now := &all.Resources[i]
		if before := &s.last.Resources[i]; before.Version != "" && maps.EqualFunc(before.Items, now.Items, sameItem) {
			now.Version = before.Version
		}
	}
	s.last = *all
}

func sameItem(a, b types.ResourceWithTTL) bool { return proto.Equal(a.Resource, b.Resource) }

// steer passes over what looks into our server.
func (s *stock) steer(words []string) (string, error) {
	switch words[0] {
	case "settled", "unsettled", "lagging", "parked", "refused", "asked":
	case "secret":
		s.secrets[words[1]] = words[2]
		s.set()
	case "synced":
		s.synced = true
		s.set()
	case "secrets":
		if words[1] != "changed" { // It has no source of secrets that could fail.
			return noStep, nil
		}
	case "drain":
		return noStep, nil
	default:
		return "", errors.New("there is no such step")
	}
	return "", nil
}
