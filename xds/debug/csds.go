package debug

import (
	"context"
	"errors"
	"io"
	"strings"

	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	statusv3 "github.com/envoyproxy/go-control-plane/envoy/service/status/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"outrigger.dev/outrigger/xds/cache"
	"outrigger.dev/outrigger/xds/server"
)

// RegisterCSDS adds the client status discovery service to a gRPC server, which must listen on a socket of [Listen].
func (s *Service) RegisterCSDS(registrar grpc.ServiceRegistrar) {
	statusv3.RegisterClientStatusDiscoveryServiceServer(registrar, &csds{service: s})
}

// csds answers what every connected proxy has, as far as the engine knows.
type csds struct {
	statusv3.UnimplementedClientStatusDiscoveryServiceServer
	service *Service
}

// FetchClientStatus returns one configuration for each proxy that the matchers choose.
func (c *csds) FetchClientStatus(ctx context.Context, request *statusv3.ClientStatusRequest) (*statusv3.ClientStatusResponse, error) {
	response := &statusv3.ClientStatusResponse{}
	for _, proxy := range c.service.Proxies(ctx) {
		chosen, err := matches(request.GetNodeMatchers(), proxy.Name)
		if err != nil {
			return nil, err
		}
		if chosen && len(proxy.Streams) > 0 {
			response.Config = append(response.Config, c.config(proxy, !request.GetExcludeResourceContents()))
		}
	}
	return response, nil
}

// StreamClientStatus answers every request of a stream as FetchClientStatus does, until the client has no more.
func (c *csds) StreamClientStatus(stream grpc.BidiStreamingServer[statusv3.ClientStatusRequest, statusv3.ClientStatusResponse]) error {
	for {
		request, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		response, err := c.FetchClientStatus(stream.Context(), request)
		if err != nil {
			return err
		}
		if err := stream.Send(response); err != nil {
			return err
		}
	}
}

// matches reports whether one of the matchers chooses a node; none choose every node.
func matches(matchers []*matcherv3.NodeMatcher, node string) (bool, error) {
	if len(matchers) == 0 {
		return true, nil
	}
	for _, m := range matchers {
		if len(m.GetNodeMetadatas()) > 0 {
			return false, status.Error(codes.InvalidArgument, "node_metadatas: proxies have no metadata here, match by node_id")
		}
		ok, err := matchesText(m.GetNodeId(), node)
		if ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

func matchesText(m *matcherv3.StringMatcher, text string) (bool, error) {
	switch pattern := m.GetMatchPattern().(type) {
	case nil:
		return true, nil
	case *matcherv3.StringMatcher_Exact:
		return text == pattern.Exact, nil
	case *matcherv3.StringMatcher_Prefix:
		return strings.HasPrefix(text, pattern.Prefix), nil
	case *matcherv3.StringMatcher_Suffix:
		return strings.HasSuffix(text, pattern.Suffix), nil
	case *matcherv3.StringMatcher_Contains:
		return strings.Contains(text, pattern.Contains), nil
	default:
		return false, status.Error(codes.InvalidArgument, "node_id: want exact, prefix, suffix or contains")
	}
}

func (c *csds) config(proxy Proxy, bodies bool) *statusv3.ClientConfig {
	config := &statusv3.ClientConfig{Node: &corev3.Node{Id: proxy.Name}}
	info, ok := c.service.store.View(proxy.Name)
	if !ok {
		return config
	}
	for t := range cache.Type(cache.NumTypes) {
		known := proxy.Stream().typeInfo(t)
		for _, r := range visible(info.Snapshot, t) {
			config.GenericXdsConfigs = append(config.GenericXdsConfigs, generic(r, known, bodies))
		}
	}
	return config
}

// generic tells one resource: its published version, and how far the proxy is with it.
func generic(r *cache.Resource, known *server.TypeInfo, bodies bool) *statusv3.ClientConfig_GenericXdsConfig {
	config := &statusv3.ClientConfig_GenericXdsConfig{TypeUrl: r.Type().URL(), Name: r.Name(), VersionInfo: r.Version()}
	if bodies && r.Type() != cache.Secret {
		config.XdsConfig = anyOf(r)
	}
	state, refusal := stateOf(r, known)
	switch {
	case state == ResourceUnasked:
		config.ConfigStatus, config.ClientStatus = statusv3.ConfigStatus_NOT_SENT, adminv3.ClientResourceStatus_UNKNOWN
	case state == ResourceWithheld:
		config.ConfigStatus, config.ClientStatus = statusv3.ConfigStatus_NOT_SENT, adminv3.ClientResourceStatus_REQUESTED
	case state == ResourceRefused:
		config.ConfigStatus, config.ClientStatus = statusv3.ConfigStatus_ERROR, adminv3.ClientResourceStatus_NACKED
		config.ErrorState = &adminv3.UpdateFailureState{Details: refusal.Error, VersionInfo: refusal.Version}
	case known.Pending > 0:
		config.ConfigStatus, config.ClientStatus = statusv3.ConfigStatus_STALE, adminv3.ClientResourceStatus_REQUESTED
	default:
		config.ConfigStatus, config.ClientStatus = statusv3.ConfigStatus_SYNCED, adminv3.ClientResourceStatus_ACKED
	}
	return config
}
