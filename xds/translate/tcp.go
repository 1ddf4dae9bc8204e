package translate

import (
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	commonstatev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/common/set_filter_state/v3"
	setstatev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/set_filter_state/v3"
	tcpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
)

// connectAttempts is how often a connection to a service is tried in all, on endpoints chosen anew. They are twice those of a
// request, because an endpoint that was tried can be chosen again, and the dead have the fewest connections. Where all are
// silent they take 40 s: Envoy bounds them by their number only. It is no setting, because listeners do not change with settings.
const connectAttempts = 20

// The pauses between attempts grow. Without them all attempts would be over before an ejection acts.
const (
	connectPause    = 25 * time.Millisecond
	connectPauseMax = 100 * time.Millisecond
)

// tcpChain says what the TCP proxies of chains differ by. Connections without traffic end after Envoy's own hour.
type tcpChain struct {
	direction   direction
	cluster     string
	maxDuration time.Duration
	// attempts to connect upstream, in all; 0 means one.
	attempts uint32
	// afterHandshake: the application sees no connection before its peer is known.
	afterHandshake bool
}

func (c tcpChain) filter() *listenerv3.Filter {
	proxy := &tcpv3.TcpProxy{
		StatPrefix:       string(c.direction),
		ClusterSpecifier: &tcpv3.TcpProxy_Cluster{Cluster: c.cluster},
		AccessLog:        connectionLogs[c.direction],
	}
	if c.attempts > 0 {
		proxy.MaxConnectAttempts = number(c.attempts)
		proxy.BackoffOptions = &corev3.BackoffStrategy{BaseInterval: duration(connectPause), MaxInterval: duration(connectPauseMax)}
	}
	if c.maxDuration > 0 {
		proxy.MaxDownstreamConnectionDuration = duration(c.maxDuration)
		proxy.MaxDownstreamConnectionDurationJitterPercentage = &typev3.Percent{Value: maxDurationJitter}
	}
	if c.afterHandshake {
		proxy.UpstreamConnectMode = tcpv3.UpstreamConnectMode_ON_DOWNSTREAM_TLS_HANDSHAKE
		proxy.MaxEarlyDataBytes = number(0)
	}
	return filter("envoy.filters.network.tcp_proxy", proxy)
}

// offerTCP makes the upstream connection of the chain offer the ALPN name for opaque connections, where the
// cluster's own is that for HTTP.
func offerTCP() *listenerv3.Filter {
	return filter("envoy.filters.network.set_filter_state", &setstatev3.Config{
		OnNewConnection: []*commonstatev3.FilterStateValue{{
			Key: &commonstatev3.FilterStateValue_ObjectKey{ObjectKey: "envoy.network.application_protocols"},
			Value: &commonstatev3.FilterStateValue_FormatString{FormatString: &corev3.SubstitutionFormatString{
				Format: &corev3.SubstitutionFormatString_TextFormatSource{TextFormatSource: &corev3.DataSource{
					Specifier: &corev3.DataSource_InlineString{InlineString: alpnTCP},
				}},
			}},
			SharedWithUpstream: commonstatev3.FilterStateValue_ONCE,
		}},
	})
}
