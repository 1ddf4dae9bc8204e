package bootstrap

import (
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
)

// adminCluster is Envoy's own admin interface. Of it, the two listeners below
// open one path each; everything else of it can stop or reshape the proxy.
const adminCluster = "admin"

const (
	readyPath      = "/ready"
	metricsPath    = "/metrics"
	prometheusPath = "/stats/prometheus"
)

func readyListener(at address) *listenerv3.Listener {
	return adminListener("ready", at, adminRoute(readyPath, ""))
}

func metricsListener(at address) *listenerv3.Listener {
	return adminListener("metrics", at, adminRoute(metricsPath, prometheusPath), adminRoute(prometheusPath, ""))
}

// adminRoute hands GET requests of exactly one path to the admin interface,
// under another path when there is one.
func adminRoute(path, rewrite string) *routev3.Route {
	return &routev3.Route{
		Match: &routev3.RouteMatch{
			PathSpecifier: &routev3.RouteMatch_Path{Path: path},
			Headers: []*routev3.HeaderMatcher{{
				Name: ":method",
				HeaderMatchSpecifier: &routev3.HeaderMatcher_StringMatch{StringMatch: &matcherv3.StringMatcher{
					MatchPattern: &matcherv3.StringMatcher_Exact{Exact: "GET"},
				}},
			}},
		},
		Action: &routev3.Route_Route{Route: &routev3.RouteAction{
			ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: adminCluster},
			PrefixRewrite:    rewrite,
		}},
	}
}

func adminListener(name string, at address, routes ...*routev3.Route) *listenerv3.Listener {
	manager := &hcmv3.HttpConnectionManager{
		StatPrefix:            name,
		RequestHeadersTimeout: seconds(10),
		StreamIdleTimeout:     seconds(30),
		CommonHttpProtocolOptions: &corev3.HttpProtocolOptions{
			IdleTimeout: seconds(60),
		},
		RouteSpecifier: &hcmv3.HttpConnectionManager_RouteConfig{RouteConfig: &routev3.RouteConfiguration{
			Name:         name,
			VirtualHosts: []*routev3.VirtualHost{{Name: name, Domains: []string{"*"}, Routes: routes}},
		}},
		HttpFilters: []*hcmv3.HttpFilter{httpFilter("envoy.filters.http.router", &routerv3.Router{})},
	}
	return &listenerv3.Listener{
		Name:    name,
		Address: at.proto(),
		// A proxy that is full still says so.
		IgnoreGlobalConnLimit: true,
		FilterChains: []*listenerv3.FilterChain{{Filters: []*listenerv3.Filter{{
			Name:       "envoy.filters.network.http_connection_manager",
			ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: pack(manager)},
		}}}},
	}
}
