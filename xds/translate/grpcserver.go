package translate

import (
	"net/netip"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"

	"outrigger.dev/outrigger/policy/ir"
	"outrigger.dev/outrigger/xds/cache"
)

// GRPCServerTemplate is what bootstraps of gRPC programs say for the name of a server's listener; %s is the address
// that the server has bound.
const GRPCServerTemplate = grpcServerPrefix + "%s"

const grpcServerPrefix = "grpc/server?xds.resource.listening_address="

// grpcServers returns one listener for each address that a gRPC server may bind.
func grpcServers(in *ir.Inbound) []Resource {
	out := make([]Resource, 0, len(in.Ports))
	for _, p := range in.Ports {
		address := netip.AddrPortFrom(p.Listen, p.Port)
		name := grpcServerPrefix + address.String()
		out = append(out, Resource{Type: cache.Listener, Name: name, Message: &listenerv3.Listener{
			Name:             name,
			Address:          socketAddress(address),
			TrafficDirection: corev3.TrafficDirection_INBOUND,
			FilterChains:     []*listenerv3.FilterChain{grpcServerChain(p.Mode)},
		}})
	}
	return out
}

// grpcServerChain takes every connection. Its routes never change, so that they stand in it. Without a transport
// socket the server uses the credentials that its program falls back to.
func grpcServerChain(mode ir.MTLSMode) *listenerv3.FilterChain {
	chain := &listenerv3.FilterChain{Name: "plain", Filters: []*listenerv3.Filter{
		filter("envoy.filters.network.http_connection_manager", &hcmv3.HttpConnectionManager{
			StatPrefix:     string(inbound),
			RouteSpecifier: &hcmv3.HttpConnectionManager_RouteConfig{RouteConfig: grpcServerRoutes},
			HttpFilters:    grpcRouter,
		}),
	}}
	if mode != ir.Disabled {
		chain.Name, chain.TransportSocket = "mesh", grpcServerTLS()
	}
	return chain
}

var grpcServerRoutes = &routev3.RouteConfiguration{
	Name: string(inbound),
	VirtualHosts: []*routev3.VirtualHost{{
		Name:    string(inbound),
		Domains: []string{"*"},
		Routes: []*routev3.Route{{
			Match:  &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: ""}},
			Action: &routev3.Route_NonForwardingAction{NonForwardingAction: &routev3.NonForwardingAction{}},
		}},
	}},
}
