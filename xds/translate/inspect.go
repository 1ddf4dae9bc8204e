package translate

import (
	"time"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	httpinspectorv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/http_inspector/v3"
	originaldstv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/original_dst/v3"
	tlsinspectorv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/tls_inspector/v3"
	"google.golang.org/protobuf/proto"
)

// detectTimeout is how long a connection is waited for that may be one where the server speaks first.
// Envoy's own 15 s would make such a protocol unusable.
const detectTimeout = 200 * time.Millisecond

// httpVersions are what the HTTP inspector calls what it found.
var httpVersions = []string{"http/1.0", "http/1.1", "h2c"}

func listenerFilter(name string, m proto.Message) *listenerv3.ListenerFilter {
	return &listenerv3.ListenerFilter{Name: name, ConfigType: &listenerv3.ListenerFilter_TypedConfig{TypedConfig: pack(m)}}
}

func httpInspector() *listenerv3.ListenerFilter {
	return listenerFilter("envoy.filters.listener.http_inspector", &httpinspectorv3.HttpInspector{})
}

func tlsInspector() *listenerv3.ListenerFilter {
	return listenerFilter("envoy.filters.listener.tls_inspector", &tlsinspectorv3.TlsInspector{})
}

func originalDst() *listenerv3.ListenerFilter {
	return listenerFilter("envoy.filters.listener.original_dst", &originaldstv3.OriginalDst{})
}

// waiting is how a listener waits for the first bytes of a connection.
type waiting uint8

const (
	// waitForBytes closes a connection without any after Envoy's default of 15 s.
	waitForBytes waiting = iota
	// waitThenPlain takes it for a plain one then. Not earlier: a client of the mesh may be slow to say hello.
	waitThenPlain
	// waitShortly takes it for a plain one soon, because its server may be the one to speak first.
	waitShortly
)

func (w waiting) set(l *listenerv3.Listener) {
	l.ContinueOnListenerFiltersTimeout = w != waitForBytes
	if w == waitShortly {
		l.ListenerFiltersTimeout = duration(detectTimeout)
	}
}
