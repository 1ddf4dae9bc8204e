package translate

import (
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	httpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/anypb"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy/ir"
)

const httpOptionsKey = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

// maxDurationJitter spreads, in percent, the ends of connections that were opened together.
const maxDurationJitter = 10

// upstreamHTTP says which HTTP is spoken to an upstream. It is always explicit: Envoy's
// automatic choice goes by ALPN and does not know our names.
func upstreamHTTP(u *ir.Upstream) map[string]*anypb.Any {
	options := &httpv3.HttpProtocolOptions{
		CommonHttpProtocolOptions: &corev3.HttpProtocolOptions{IdleTimeout: duration(u.IdleTimeout)},
	}
	if u.MaxConnectionDuration > 0 {
		options.CommonHttpProtocolOptions.MaxConnectionDuration = duration(u.MaxConnectionDuration)
		options.CommonHttpProtocolOptions.MaxConnectionDurationJitter = &typev3.Percent{Value: maxDurationJitter}
	}
	switch u.Protocol {
	case discovery.TCP, discovery.TLS:
		return nil
	case discovery.HTTP2, discovery.GRPC:
		options.UpstreamProtocolOptions = http2()
	default:
		options.UpstreamProtocolOptions = asItCame()
	}
	return map[string]*anypb.Any{httpOptionsKey: pack(options)}
}

// The numbers of Linux for the socket option TCP_USER_TIMEOUT.
const (
	ipprotoTCP     = 6
	tcpUserTimeout = 18
)

// unacknowledged is for how long a peer may acknowledge nothing, or have no room for what is to be sent. It is far above
// what a program that is busy needs, and far below what the kernel would wait for.
const unacknowledged = 30 * time.Second

// noticeSilence ends connections whose peer acknowledges nothing any more, as those to a machine that is gone. Many requests
// share a connection of HTTP/2, new ones too, and the kernel would go on for a quarter of an hour. Pings would do as
// well, and servers of gRPC end connections that bring them. A peer that is there and reads nothing counts as silent too: the kernel counts
// the time in which it has no room, whether or not it answers probes. It meets those whose HTTP/2 windows are larger than
// their sockets' buffers. Where a connection is one request's, a server may rightly do so for minutes. Protocols
// whose connections are of HTTP/2 or not, as the client chooses, have to go without.
func noticeSilence(c *clusterv3.Cluster, p discovery.Protocol) {
	if p != discovery.HTTP2 && p != discovery.GRPC {
		return
	}
	c.UpstreamBindConfig = &corev3.BindConfig{SocketOptions: []*corev3.SocketOption{{
		Description: "TCP_USER_TIMEOUT",
		Level:       ipprotoTCP, Name: tcpUserTimeout,
		Value: &corev3.SocketOption_IntValue{IntValue: unacknowledged.Milliseconds()},
	}}}
}

func http2() *httpv3.HttpProtocolOptions_ExplicitHttpConfig_ {
	return &httpv3.HttpProtocolOptions_ExplicitHttpConfig_{
		ExplicitHttpConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig{
			ProtocolConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_Http2ProtocolOptions{
				Http2ProtocolOptions: &corev3.Http2ProtocolOptions{},
			},
		},
	}
}

// asItCame keeps the version that the client chose.
func asItCame() *httpv3.HttpProtocolOptions_UseDownstreamProtocolConfig {
	return &httpv3.HttpProtocolOptions_UseDownstreamProtocolConfig{
		UseDownstreamProtocolConfig: &httpv3.HttpProtocolOptions_UseDownstreamHttpConfig{
			Http2ProtocolOptions: &corev3.Http2ProtocolOptions{},
		},
	}
}

// applicationHTTP is spoken to a workload's own application: the version that its client chose.
func applicationHTTP() map[string]*anypb.Any {
	return map[string]*anypb.Any{httpOptionsKey: pack(&httpv3.HttpProtocolOptions{UpstreamProtocolOptions: asItCame()})}
}
