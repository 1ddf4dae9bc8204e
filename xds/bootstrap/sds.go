package bootstrap

import (
	"path/filepath"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/anypb"
)

// Names of the two secrets that come from files. The secrets of the mesh have
// other names and come by ADS.
const (
	tokenSecret = "token"
	rootsSecret = "xds-roots"
)

// serverTLS verifies the control plane by its name and by roots that are read
// again when they change, which Envoy does not do for roots that are named directly.
func (p plan) serverTLS() *corev3.TransportSocket {
	context := &tlsv3.UpstreamTlsContext{
		Sni: ServerName,
		CommonTlsContext: &tlsv3.CommonTlsContext{
			TlsParams: &tlsv3.TlsParameters{
				TlsMinimumProtocolVersion: tlsv3.TlsParameters_TLSv1_3,
				TlsMaximumProtocolVersion: tlsv3.TlsParameters_TLSv1_3,
			},
			AlpnProtocols: []string{"h2"},
			ValidationContextType: &tlsv3.CommonTlsContext_CombinedValidationContext{CombinedValidationContext: &tlsv3.CommonTlsContext_CombinedCertificateValidationContext{
				DefaultValidationContext: &tlsv3.CertificateValidationContext{
					MatchTypedSubjectAltNames: []*tlsv3.SubjectAltNameMatcher{{
						SanType: tlsv3.SubjectAltNameMatcher_DNS,
						Matcher: &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: ServerName}},
					}},
				},
				ValidationContextSdsSecretConfig: p.fileSecret(rootsSecret, rootsSDSFile),
			}},
		},
	}
	return &corev3.TransportSocket{
		Name:       "envoy.transport_sockets.tls",
		ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: pack(context)},
	}
}

// fileSecret is a secret that stands in a file of the folder.
func (p plan) fileSecret(name, file string) *tlsv3.SdsSecretConfig {
	return &tlsv3.SdsSecretConfig{
		Name: name,
		SdsConfig: &corev3.ConfigSource{
			ConfigSourceSpecifier: &corev3.ConfigSource_PathConfigSource{PathConfigSource: &corev3.PathConfigSource{
				Path:             filepath.Join(p.Dir, file),
				WatchedDirectory: p.watched(),
			}},
			ResourceApiVersion: corev3.ApiVersion_V3,
		},
	}
}

// watched makes Envoy look again whenever something is moved into the folder.
func (p plan) watched() *corev3.WatchedDirectory { return &corev3.WatchedDirectory{Path: p.Dir} }

func (p plan) tokenSDS() *discoveryv3.DiscoveryResponse {
	return secretFile(&tlsv3.Secret{
		Name: tokenSecret,
		Type: &tlsv3.Secret_GenericSecret{GenericSecret: &tlsv3.GenericSecret{Secret: &corev3.DataSource{
			Specifier:        &corev3.DataSource_Filename{Filename: filepath.Join(p.Dir, TokenFile)},
			WatchedDirectory: p.watched(),
		}}},
	})
}

func (p plan) rootsSDS() *discoveryv3.DiscoveryResponse {
	return secretFile(&tlsv3.Secret{
		Name: rootsSecret,
		Type: &tlsv3.Secret_ValidationContext{ValidationContext: &tlsv3.CertificateValidationContext{
			TrustedCa:        &corev3.DataSource{Specifier: &corev3.DataSource_Filename{Filename: filepath.Join(p.Dir, rootsFile)}},
			WatchedDirectory: p.watched(),
		}},
	})
}

func secretFile(secret *tlsv3.Secret) *discoveryv3.DiscoveryResponse {
	return &discoveryv3.DiscoveryResponse{Resources: []*anypb.Any{pack(secret)}}
}
