package translate

import (
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
)

// CertificateProvider is the name that bootstraps of gRPC programs give the provider of certificate, key and roots.
const CertificateProvider = "default"

// nowhere is the locality of endpoints without one.
var nowhere = &corev3.Locality{}

// grpcClientTLS is mesh mTLS towards peers that show one of the identities. gRPC looks at the older of the two fields
// for names only, and accepts everybody where that is empty; it refuses TLS parameters.
func grpcClientTLS(identities []string) *corev3.TransportSocket {
	names := make([]*matcherv3.StringMatcher, 0, max(len(identities), 1))
	for _, id := range identities {
		names = append(names, exact(id))
	}
	if len(names) == 0 {
		names = append(names, exact(nobody))
	}
	return tlsTransport(&tlsv3.UpstreamTlsContext{CommonTlsContext: grpcTLS(names)})
}

// grpcServerTLS is mesh mTLS towards every identity that the roots vouch for: servers take no list of names.
func grpcServerTLS() *corev3.TransportSocket {
	return tlsTransport(&tlsv3.DownstreamTlsContext{
		CommonTlsContext:         grpcTLS(nil),
		RequireClientCertificate: yes(),
	})
}

func grpcTLS(names []*matcherv3.StringMatcher) *tlsv3.CommonTlsContext {
	provider := &tlsv3.CertificateProviderPluginInstance{InstanceName: CertificateProvider}
	return &tlsv3.CommonTlsContext{
		TlsCertificateProviderInstance: provider,
		ValidationContextType: &tlsv3.CommonTlsContext_ValidationContext{ValidationContext: &tlsv3.CertificateValidationContext{
			CaCertificateProviderInstance: provider,
			MatchSubjectAltNames:          names, //nolint:staticcheck // gRPC looks at no other field for names
		}},
	}
}

func exact(text string) *matcherv3.StringMatcher {
	return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: text}}
}
