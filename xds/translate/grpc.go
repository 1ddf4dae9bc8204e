package translate

import (
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"

	"outrigger.dev/outrigger/policy/ir"
	"outrigger.dev/outrigger/xds/cache"
)

// grpcRouter ends every list of filters that gRPC takes.
var grpcRouter = []*hcmv3.HttpFilter{{
	Name:       "envoy.filters.http.router",
	ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: pack(&routerv3.Router{})},
}}

// GRPCTarget returns what a gRPC program asks for first when it dials a target: the API listener and its routes.
func GRPCTarget(t ir.Target) []Resource {
	name := t.Name()
	l := &listenerv3.Listener{
		Name: name,
		ApiListener: &listenerv3.ApiListener{ApiListener: pack(&hcmv3.HttpConnectionManager{
			StatPrefix:     string(outbound),
			RouteSpecifier: &hcmv3.HttpConnectionManager_Rds{Rds: &hcmv3.Rds{RouteConfigName: name, ConfigSource: ads()}},
			HttpFilters:    grpcRouter,
		})},
	}
	return []Resource{
		{Type: cache.Listener, Name: name, Message: l, Refs: refs(routeRef(name))},
		grpcRoutes(name, t.Cluster()),
	}
}

// grpcRoutes sends everything to a cluster. gRPC has no timeout of its own, and tries again by itself what the server
// has not seen.
func grpcRoutes(name, cluster string) Resource {
	config := &routev3.RouteConfiguration{
		Name: name,
		VirtualHosts: []*routev3.VirtualHost{{
			Name:    name,
			Domains: []string{"*"},
			Routes: []*routev3.Route{{
				Match: &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: ""}},
				Action: &routev3.Route_Route{Route: &routev3.RouteAction{
					ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: cluster},
				}},
			}},
		}},
	}
	return Resource{Type: cache.Route, Name: name, Message: config, Refs: refs(clusterRef(cluster))}
}
