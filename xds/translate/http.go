package translate

import (
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/proto"
)

// hostForHTTP10 is what a request of HTTP/1.0 without a Host gets; Envoy cannot route without one.
const hostForHTTP10 = "localhost"

// router is the last filter of every HTTP chain. It keeps Envoy's own headers from requests and answers.
var router = &hcmv3.HttpFilter{
	Name:       "envoy.filters.http.router",
	ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: pack(&routerv3.Router{SuppressEnvoyHeaders: true})},
}

// httpChain says what the connection managers of chains differ by. It holds no timeout that
// people edit: those live in routes.
type httpChain struct {
	direction   direction
	routes      string
	maxDuration time.Duration
}

// filter returns the connection manager. It passes on whatever an application may
// send: HTTP/1.0 too, WebSocket, any path as it came, any Host.
func (c httpChain) filter() *listenerv3.Filter {
	manager := &hcmv3.HttpConnectionManager{
		StatPrefix:                 string(c.direction),
		RouteSpecifier:             &hcmv3.HttpConnectionManager_Rds{Rds: &hcmv3.Rds{RouteConfigName: c.routes, ConfigSource: ads()}},
		HttpFilters:                []*hcmv3.HttpFilter{router},
		AccessLog:                  requestLogs[c.direction],
		HttpProtocolOptions:        &corev3.Http1ProtocolOptions{AcceptHttp_10: true, DefaultHostForHttp_10: hostForHTTP10},
		UpgradeConfigs:             []*hcmv3.HttpConnectionManager_UpgradeConfig{{UpgradeType: "websocket"}},
		ServerHeaderTransformation: hcmv3.HttpConnectionManager_PASS_THROUGH,
	}
	if c.maxDuration > 0 {
		manager.CommonHttpProtocolOptions = &corev3.HttpProtocolOptions{
			MaxConnectionDuration:       duration(c.maxDuration),
			MaxConnectionDurationJitter: &typev3.Percent{Value: maxDurationJitter},
		}
		// A request that comes just then is answered: connections of HTTP/1 end with an answer, not between two.
		manager.Http1SafeMaxConnectionDuration = true
	}
	if c.direction == inbound {
		tellPeer(manager)
	}
	return filter("envoy.filters.network.http_connection_manager", manager)
}

// tellPeer gives the application the SPIFFE id of its caller, in x-forwarded-client-cert. What a caller
// writes there itself is removed; outbound, that is Envoy's default.
func tellPeer(m *hcmv3.HttpConnectionManager) {
	m.ForwardClientCertDetails = hcmv3.HttpConnectionManager_SANITIZE_SET
	m.SetCurrentClientCertDetails = &hcmv3.HttpConnectionManager_SetCurrentClientCertDetails{Uri: true}
}

func filter(name string, m proto.Message) *listenerv3.Filter {
	return &listenerv3.Filter{Name: name, ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: pack(m)}}
}
