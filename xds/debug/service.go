package debug

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"outrigger.dev/outrigger/xds/cache"
	"outrigger.dev/outrigger/xds/server"
)

// streamsTimeout bounds how long streams are asked how they are.
const streamsTimeout = 5 * time.Second

// Engine tells of the open streams; it is a [server.Server].
type Engine interface {
	Streams(ctx context.Context) []server.StreamInfo
}

// Config is what a Service shows.
type Config struct {
	Store  *cache.Store
	Engine Engine
	// Problems returns what is wrong with what users wrote, in order; nil: nothing is.
	Problems func() []Problem
	// Sources returns how the sources of the mesh are, in order; nil: there are none.
	Sources func() []Source
	// Replica is the name of this server among those of its mesh, and Settings are what all of them must have alike.
	Replica  string
	Settings map[string]string
	// Ledger knows the revisions that were published; nil: none are.
	Ledger *Ledger
	// Standing returns the revision that the source has now; nil: nobody knows.
	Standing func() (string, error)
}

// Service makes the debug views. Its methods may be called at any time.
type Service struct {
	store    *cache.Store
	engine   Engine
	problems func() []Problem
	sources  func() []Source
	replica  string
	settings map[string]string
	ledger   *Ledger
	standing func() (string, error)
	started  time.Time
}

// New returns a Service.
func New(c Config) *Service {
	if c.Problems == nil {
		c.Problems = func() []Problem { return nil }
	}
	if c.Sources == nil {
		c.Sources = func() []Source { return nil }
	}
	if c.Ledger == nil {
		c.Ledger = &Ledger{}
	}
	if c.Standing == nil {
		c.Standing = func() (string, error) { return "", errors.New("the source knows no revisions") }
	}
	return &Service{
		store: c.Store, engine: c.Engine, problems: c.Problems, sources: c.Sources, replica: c.Replica, settings: c.Settings,
		ledger: c.Ledger, standing: c.Standing, started: time.Now(),
	}
}

// Proxies returns every node that has a view, sorted by name.
func (s *Service) Proxies(ctx context.Context) []Proxy {
	streams := s.streams(ctx)
	proxies := []Proxy{}
	for _, view := range s.store.Views() {
		for _, node := range view.Nodes {
			proxies = append(proxies, s.proxyOf(node, view.Spec, streams[node]))
		}
	}
	slices.SortFunc(proxies, func(a, b Proxy) int { return strings.Compare(a.Name, b.Name) })
	return proxies
}

// Proxy returns one node, with the resources of its view.
func (s *Service) Proxy(ctx context.Context, node string) (Proxy, bool) {
	view, ok := s.store.View(node)
	if !ok {
		return Proxy{}, false
	}
	proxy := s.proxyOf(node, view.Spec, s.streams(ctx)[node])
	for t := range cache.Type(cache.NumTypes) {
		known := proxy.Stream().typeInfo(t)
		for _, r := range visible(view.Snapshot, t) {
			state, _ := stateOf(r, known)
			proxy.Resources = append(proxy.Resources, ProxyResource{
				Type: t.String(), Name: r.Name(), Version: r.Version(), Owner: r.Owner(), State: state,
			})
		}
	}
	return proxy, true
}

// viewsOf returns all views, or, where a node is named, its own.
func (s *Service) viewsOf(node string) ([]cache.ViewInfo, bool) {
	if node == "" {
		return s.store.Views(), true
	}
	view, ok := s.store.View(node)
	return []cache.ViewInfo{view}, ok
}

// streams returns the open streams by node, the newest last.
func (s *Service) streams(ctx context.Context) map[string][]server.StreamInfo {
	ctx, cancel := context.WithTimeout(ctx, streamsTimeout)
	defer cancel()
	byNode := map[string][]server.StreamInfo{}
	for _, info := range s.engine.Streams(ctx) {
		byNode[info.Peer.Node] = append(byNode[info.Peer.Node], info)
	}
	for _, infos := range byNode {
		slices.SortFunc(infos, func(a, b server.StreamInfo) int { return a.Since.Compare(b.Since) })
	}
	return byNode
}

func (s *Service) proxyOf(node string, spec cache.ViewSpec, infos []server.StreamInfo) Proxy {
	proxy := Proxy{Name: node, State: StateAway, Layers: layerNames(spec), Scope: spec.Scope.Key(), Streams: []Stream{}}
	for _, info := range infos {
		proxy.State, proxy.Identity = stateOfStream(info), info.Peer.Identity
		if !info.IdentityExpires.IsZero() {
			proxy.CertificateExpires = info.IdentityExpires
		}
		proxy.Streams = append(proxy.Streams, Stream{
			Replica: s.replica, Agent: info.Agent, Since: info.Since, Settled: uint64(info.Settled), Latest: uint64(info.Latest), Types: info.Types,
		})
	}
	return proxy
}

func stateOfStream(info server.StreamInfo) string {
	state := StateSynced
	if info.Lagging() {
		state = StateBehind
	}
	for _, t := range info.Types {
		if len(t.Parked) > 0 {
			return StateRefused
		}
		if t.Pending > 0 {
			state = StateBehind
		}
	}
	return state
}

// stateOf returns how far a proxy is with a resource, and what it refused.
func stateOf(r *cache.Resource, known *server.TypeInfo) (string, *server.ParkedInfo) {
	switch {
	case known == nil:
		return ResourceUnasked, nil
	case find(known.Parked, r.Name()) != nil:
		return ResourceRefused, find(known.Parked, r.Name())
	case find(known.Withheld, r.Name()) != nil:
		return ResourceWithheld, nil
	default:
		return ResourceSent, nil
	}
}

func find(list []server.ParkedInfo, name string) *server.ParkedInfo {
	for i := range list {
		if list[i].Name == name {
			return &list[i]
		}
	}
	return nil
}
