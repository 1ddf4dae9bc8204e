package translate

import (
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/policy/ir"
	"outrigger.dev/outrigger/xds/cache"
)

// chain is one way in which a connection to a port of the application is taken.
type chain struct {
	name string
	// tls: only connections that start with TLS. alpn: only those that offer, or are found to be, one of these.
	tls  bool
	alpn []string
	// mesh: by mesh mTLS. http: requests are understood.
	mesh, http bool
}

// serves says what a port accepts. Envoy takes the most specific chain by TLS first and ALPN second, and does not
// go back: where one chain asks for TLS, what else starts with TLS needs a chain of its own.
func serves(protocol discovery.Protocol, mode ir.MTLSMode) []chain {
	switch mode {
	case ir.Strict:
		return servesStrict(protocol)
	case ir.Disabled:
		return servesPlain(protocol)
	default:
		return append(servesMesh(protocol), servesPlain(protocol)...)
	}
}

// servesStrict looks at nothing where it need not: whoever does not speak mesh mTLS fails at the handshake.
func servesStrict(protocol discovery.Protocol) []chain {
	switch {
	case protocol == discovery.Detect:
		return detectMesh()
	case protocol.IsHTTP():
		return []chain{{name: "mesh-http", mesh: true, http: true}}
	default:
		return []chain{{name: "mesh-tcp", mesh: true}}
	}
}

// servesMesh takes mesh mTLS out of all TLS; the rest of it is the application's own and passes through.
func servesMesh(protocol discovery.Protocol) []chain {
	through := chain{name: "tls", tls: true}
	switch {
	case protocol == discovery.Detect:
		return append(detectMesh(), through)
	case protocol.IsHTTP():
		return []chain{{name: "mesh-http", tls: true, alpn: []string{alpnHTTP, alpnTCP, alpnH2}, mesh: true, http: true}, through}
	default:
		// Whoever offers h2 here may be a client of the application's own TLS.
		return []chain{{name: "mesh-tcp", tls: true, alpn: []string{alpnTCP, alpnHTTP}, mesh: true}, through}
	}
}

// detectMesh believes the client: it has looked already.
func detectMesh() []chain {
	return []chain{
		{name: "mesh-http", tls: true, alpn: []string{alpnHTTP}, mesh: true, http: true},
		{name: "mesh-tcp", tls: true, alpn: []string{alpnTCP}, mesh: true},
	}
}

func servesPlain(protocol discovery.Protocol) []chain {
	switch {
	case protocol == discovery.Detect:
		return []chain{{name: "plain-http", alpn: httpVersions, http: true}, {name: "plain-tcp"}}
	case protocol.IsHTTP():
		return []chain{{name: "plain-http", http: true}}
	default:
		return []chain{{name: "plain-tcp"}}
	}
}

// inspects says what has to be looked at before a chain can be chosen for a port, and how long.
func inspects(protocol discovery.Protocol, mode ir.MTLSMode) (tls, http bool, wait waiting) {
	detect := protocol == discovery.Detect
	switch {
	case mode == ir.Strict:
		return detect, false, waitForBytes
	case mode == ir.Disabled && !detect:
		return false, false, waitForBytes
	case mode == ir.Disabled:
		return false, true, waitShortly
	case protocol.IsHTTP():
		return true, false, waitThenPlain
	default:
		return true, detect, waitShortly
	}
}

// inboundPort is where the chains of a port lead.
type inboundPort struct {
	inbound *ir.Inbound
	cluster string
	routes  string
	// prefix begins the names of the chains; match is the port of a captured connection, or 0.
	prefix string
	match  uint16
}

func (p inboundPort) chains(protocol discovery.Protocol, mode ir.MTLSMode) []*listenerv3.FilterChain {
	var out []*listenerv3.FilterChain
	for _, c := range serves(protocol, mode) {
		out = append(out, p.chain(c))
	}
	return out
}

// refs are what the chains of the port name.
func (p inboundPort) refs(protocol discovery.Protocol, mode ir.MTLSMode) []cache.Ref {
	var out []cache.Ref
	for _, c := range serves(protocol, mode) {
		if c.mesh {
			out = append(out, secretRefs()...)
		}
		if c.http {
			out = append(out, routeRef(p.routes))
		} else {
			out = append(out, clusterRef(p.cluster))
		}
	}
	return out
}

func (p inboundPort) chain(c chain) *listenerv3.FilterChain {
	out := &listenerv3.FilterChain{Name: p.prefix + c.name, FilterChainMatch: p.matchOf(c)}
	if c.mesh {
		out.TransportSocket = serverTLS(p.inbound.TrustDomain, serverALPN(c))
		out.TransportSocketConnectTimeout = duration(handshakeTimeout)
	}
	if c.http {
		out.Filters = []*listenerv3.Filter{httpChain{
			direction: inbound, routes: p.routes, maxDuration: p.inbound.MaxConnectionDuration,
		}.filter()}
		return out
	}
	tcp := tcpChain{direction: inbound, cluster: p.cluster}
	if c.mesh {
		// Opaque connections can only be cut: where there is no certificate to outlive, they are not.
		tcp.maxDuration = p.inbound.MaxConnectionDuration
		tcp.afterHandshake = true
	}
	out.Filters = []*listenerv3.Filter{tcp.filter()}
	return out
}

func (p inboundPort) matchOf(c chain) *listenerv3.FilterChainMatch {
	if p.match == 0 && !c.tls && len(c.alpn) == 0 {
		return nil
	}
	match := &listenerv3.FilterChainMatch{ApplicationProtocols: c.alpn}
	if p.match != 0 {
		match.DestinationPort = wrapperspb.UInt32(uint32(p.match))
	}
	if c.tls {
		match.TransportProtocol = "tls"
	}
	return match
}

// serverALPN is what a chain agrees to. It is none of our own names: the HTTP codec takes a connection with a
// name that it does not know for HTTP/1, and finds HTTP/2 only where no name was agreed to.
func serverALPN(c chain) []string {
	if c.http {
		return []string{alpnH2}
	}
	return nil
}

// understandsHTTP reports whether any chain of the port fetches routes.
func understandsHTTP(protocol discovery.Protocol) bool {
	return protocol.IsHTTP() || protocol == discovery.Detect
}
