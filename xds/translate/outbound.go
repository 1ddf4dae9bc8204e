package translate

import (
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy/ir"
	"outrigger.dev/outrigger/xds/cache"
)

// Outbound returns the listener of an outbound address and, where requests can be told apart, its routes.
func Outbound(o *ir.Outbound) []Resource {
	cluster := ir.ClusterName(o.Service, o.Port, "")
	http := httpChain{direction: outbound, routes: o.Name}
	tcp := tcpChain{direction: outbound, cluster: cluster, attempts: connectAttempts}
	l := &listenerv3.Listener{
		Name:             o.Name,
		StatPrefix:       string(outbound),
		Address:          socketAddress(o.Address),
		TrafficDirection: corev3.TrafficDirection_OUTBOUND,
	}
	if !o.Bound {
		l.BindToPort = wrapperspb.Bool(false)
	}
	switch o.Protocol {
	case discovery.TCP, discovery.TLS:
		l.FilterChains = []*listenerv3.FilterChain{{Name: "tcp", Filters: []*listenerv3.Filter{tcp.filter()}}}
		return []Resource{{Type: cache.Listener, Name: o.Name, Message: l, Refs: refs(clusterRef(cluster))}}
	case discovery.Detect:
		detectOutbound(l, http, tcp)
		return []Resource{
			{Type: cache.Listener, Name: o.Name, Message: l, Refs: refs(clusterRef(cluster), routeRef(o.Name))},
			outboundRoutes(o, cluster),
		}
	default:
		l.FilterChains = []*listenerv3.FilterChain{{Name: "http", Filters: []*listenerv3.Filter{http.filter()}}}
		return []Resource{
			{Type: cache.Listener, Name: o.Name, Message: l, Refs: refs(routeRef(o.Name))},
			outboundRoutes(o, cluster),
		}
	}
}

// detectOutbound looks at each connection for HTTP, and takes it for opaque where it finds none or waits too long.
func detectOutbound(l *listenerv3.Listener, http httpChain, tcp tcpChain) {
	l.ListenerFilters = []*listenerv3.ListenerFilter{httpInspector()}
	waitShortly.set(l)
	l.FilterChains = []*listenerv3.FilterChain{{
		Name:             "http",
		FilterChainMatch: &listenerv3.FilterChainMatch{ApplicationProtocols: httpVersions},
		Filters:          []*listenerv3.Filter{http.filter()},
	}}
	l.DefaultFilterChain = &listenerv3.FilterChain{Name: "tcp", Filters: []*listenerv3.Filter{offerTCP(), tcp.filter()}}
}
