package translate

import (
	"time"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	previoushostsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/retry/host/previous_hosts/v3"
	"google.golang.org/protobuf/types/known/durationpb"

	"outrigger.dev/outrigger/policy/ir"
	"outrigger.dev/outrigger/xds/cache"
)

const (
	// retryOn are failures before a server began with a request, so that it is never done twice: nothing of it was sent, or the
	// server said that it has not looked at it. So says one that ends in order to what was under way to it, and one that has
	// too much to do; Envoy does not tell them apart, and has one number of retries for all.
	retryOn = "connect-failure,refused-stream,reset-before-request"
	// hostSelections is how often a host that was tried already is drawn anew. With nine dead hosts of ten, all of them tried,
	// ten draws would leave one retry in three to a dead one.
	hostSelections = 30
)

// otherHost keeps a retry from the host that has just failed.
var otherHost = &routev3.RetryPolicy_RetryHostPredicate{
	Name: "envoy.retry_host_predicates.previous_hosts",
	ConfigType: &routev3.RetryPolicy_RetryHostPredicate_TypedConfig{
		TypedConfig: pack(&previoushostsv3.PreviousHostsPredicate{}),
	},
}

func outboundRoutes(o *ir.Outbound, cluster string) Resource {
	action := routeAction(cluster, o.IdleTimeout)
	if o.RequestRetries > 0 {
		action.RetryPolicy = &routev3.RetryPolicy{
			RetryOn:                       retryOn,
			NumRetries:                    number(o.RequestRetries),
			RetryHostPredicate:            []*routev3.RetryPolicy_RetryHostPredicate{otherHost},
			HostSelectionRetryMaxAttempts: hostSelections,
		}
	}
	return routes(o.Name, o.Service.Host(), action)
}

// routeAction sends everything to a cluster. A request may take as long as it likes, as streams and
// long polls do; a stream on which nothing moves ends after idle.
func routeAction(cluster string, idle time.Duration) *routev3.RouteAction {
	return &routev3.RouteAction{
		ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: cluster},
		Timeout:          new(durationpb.Duration),
		IdleTimeout:      duration(idle),
	}
}

// routes returns a configuration that sends every host and path the same way. host names it in logs.
func routes(name, host string, action *routev3.RouteAction) Resource {
	config := &routev3.RouteConfiguration{
		Name: name,
		VirtualHosts: []*routev3.VirtualHost{{
			Name:    host,
			Domains: []string{"*"},
			Routes: []*routev3.Route{{
				Name:   host,
				Match:  &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/"}},
				Action: &routev3.Route_Route{Route: action},
			}},
		}},
	}
	return Resource{Type: cache.Route, Name: name, Message: config, Refs: refs(clusterRef(action.GetCluster()))}
}
