package translate

import (
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"

	"outrigger.dev/outrigger/discovery"
)

// The secrets that every proxy fetches over its stream.
const (
	// SecretIdentity is the proxy's certificate and key.
	SecretIdentity = "identity"
	// SecretRoots is what the certificates of others are verified with.
	SecretRoots = "roots"
)

// What mesh TLS is told from an application's own TLS by. There are two, because
// the server has to choose its chain before it can look inside.
const (
	alpnHTTP = "outrigger-http"
	alpnTCP  = "outrigger"
	// alpnH2 is offered behind: gRPC clients and servers without a proxy require it.
	alpnH2 = "h2"
)

// handshakeTimeout ends a connection that does not begin, or finish, a handshake. Envoy has no limit of its own.
const handshakeTimeout = 10 * time.Second

const (
	tlsSocket = "envoy.transport_sockets.tls"
	// nobody is an id that no authority signs: it starts with no "spiffe://".
	nobody = "urn:outrigger:nobody"
)

// clientTLS is mesh mTLS towards peers that show one of the identities.
func clientTLS(identities, alpn []string) *corev3.TransportSocket {
	sans := make([]*tlsv3.SubjectAltNameMatcher, 0, max(len(identities), 1))
	for _, id := range identities {
		sans = append(sans, exactURI(id))
	}
	if len(sans) == 0 {
		// No matcher at all would accept everybody.
		sans = append(sans, exactURI(nobody))
	}
	return tlsTransport(&tlsv3.UpstreamTlsContext{CommonTlsContext: meshTLS(sans, alpn)})
}

// serverTLS is mesh mTLS towards every identity of the trust domain. Without session tickets
// each new connection shows that its certificate is still good.
func serverTLS(trustDomain string, alpn []string) *corev3.TransportSocket {
	sans := []*tlsv3.SubjectAltNameMatcher{uri(&matcherv3.StringMatcher{
		MatchPattern: &matcherv3.StringMatcher_Prefix{Prefix: "spiffe://" + trustDomain + "/"},
	})}
	return tlsTransport(&tlsv3.DownstreamTlsContext{
		CommonTlsContext:         meshTLS(sans, alpn),
		RequireClientCertificate: yes(),
		SessionTicketKeysType: &tlsv3.DownstreamTlsContext_DisableStatelessSessionResumption{
			DisableStatelessSessionResumption: true,
		},
	})
}

func meshTLS(sans []*tlsv3.SubjectAltNameMatcher, alpn []string) *tlsv3.CommonTlsContext {
	return &tlsv3.CommonTlsContext{
		TlsParams: &tlsv3.TlsParameters{
			TlsMinimumProtocolVersion: tlsv3.TlsParameters_TLSv1_3,
			TlsMaximumProtocolVersion: tlsv3.TlsParameters_TLSv1_3,
		},
		TlsCertificateSdsSecretConfigs: []*tlsv3.SdsSecretConfig{{Name: SecretIdentity, SdsConfig: ads()}},
		ValidationContextType: &tlsv3.CommonTlsContext_CombinedValidationContext{
			CombinedValidationContext: &tlsv3.CommonTlsContext_CombinedCertificateValidationContext{
				DefaultValidationContext:         &tlsv3.CertificateValidationContext{MatchTypedSubjectAltNames: sans},
				ValidationContextSdsSecretConfig: &tlsv3.SdsSecretConfig{Name: SecretRoots, SdsConfig: ads()},
			},
		},
		AlpnProtocols: alpn,
	}
}

func exactURI(id string) *tlsv3.SubjectAltNameMatcher {
	return uri(&matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: id}})
}

func uri(m *matcherv3.StringMatcher) *tlsv3.SubjectAltNameMatcher {
	return &tlsv3.SubjectAltNameMatcher{SanType: tlsv3.SubjectAltNameMatcher_URI, Matcher: m}
}

// clientALPN is what a client offers. Only clusters that surely speak HTTP/2 offer h2.
func clientALPN(p discovery.Protocol) []string {
	switch p {
	case discovery.HTTP2, discovery.GRPC:
		return []string{alpnHTTP, alpnH2}
	case discovery.TCP, discovery.TLS:
		return []string{alpnTCP}
	default:
		return []string{alpnHTTP}
	}
}
