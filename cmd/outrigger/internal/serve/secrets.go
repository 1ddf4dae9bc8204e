package serve

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/proto"

	"outrigger.dev/outrigger/certs"
	"outrigger.dev/outrigger/xds/server"
)

// secrets gives every stream the certificate of its own peer, and the roots.
type secrets struct {
	trustDomain string
	issuer      *certs.Issuer

	mu   sync.Mutex
	open map[*secretSession]time.Time // when the certificate ends that was given last; zero: none yet
}

func newSecrets(trustDomain string, issuer *certs.Issuer) *secrets {
	return &secrets{trustDomain: trustDomain, issuer: issuer, open: map[*secretSession]time.Time{}}
}

// Open begins the session of one stream. The roots of this server stay the same while it runs: it tells of no change.
func (s *secrets) Open(peer server.Peer, _ func()) server.SecretSession {
	session := &secretSession{secrets: s, workload: peer.Workload, identity: certs.Identity{
		TrustDomain: s.trustDomain, Namespace: peer.Namespace, ServiceAccount: peer.ServiceAccount,
	}}
	s.note(session, time.Time{})
	return session
}

func (s *secrets) note(session *secretSession, end time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[session] = end
}

// firstEnd returns when the first certificate of an open stream ends; ok is false while there is none.
func (s *secrets) firstEnd() (first time.Time, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, end := range s.open {
		if !end.IsZero() && (!ok || end.Before(first)) {
			first, ok = end, true
		}
	}
	return first, ok
}

// secretSession belongs to one stream.
type secretSession struct {
	secrets  *secrets
	identity certs.Identity
	workload string
}

// Secret returns one of the peer's certificates or the roots.
func (s *secretSession) Secret(ctx context.Context, name, haveVersion string) (server.Secret, error) {
	switch name {
	case certs.NameIdentity:
		return s.given(s.secrets.issuer.Leaf(ctx, s.identity, haveVersion))
	case certs.NameWorkload:
		return s.given(s.secrets.issuer.WorkloadLeaf(ctx, s.identity, s.workload, haveVersion))
	case certs.NameRoots:
		return encodeSecret(s.secrets.issuer.Roots(haveVersion))
	default:
		return server.Secret{}, fmt.Errorf("secret %.64q: %w", name, server.ErrNoSecret)
	}
}

// given notes when a certificate ends.
func (s *secretSession) given(leaf certs.Secret, err error) (server.Secret, error) {
	if err != nil {
		return server.Secret{}, err
	}
	s.secrets.note(s, leaf.NotAfter)
	return encodeSecret(leaf)
}

// Close ends the session.
func (s *secretSession) Close() {
	s.secrets.mu.Lock()
	defer s.secrets.mu.Unlock()
	delete(s.secrets.open, s)
}

// encodeSecret spells a secret in Envoy's words.
func encodeSecret(secret certs.Secret) (server.Secret, error) {
	out := server.Secret{Version: secret.Version, Renew: secret.RenewAt, Expires: secret.NotAfter}
	if secret.Keep {
		return out, nil
	}
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(messageOf(secret))
	if err != nil {
		return server.Secret{}, fmt.Errorf("secret %s: %w", secret.Name, err)
	}
	out.Body = server.Redact(body)
	return out, nil
}

func messageOf(secret certs.Secret) *tlsv3.Secret {
	message := &tlsv3.Secret{Name: secret.Name}
	if secret.Kind == certs.KindRoots {
		message.Type = &tlsv3.Secret_ValidationContext{ValidationContext: &tlsv3.CertificateValidationContext{
			TrustedCa: inline(secret.RootsPEM),
		}}
		return message
	}
	message.Type = &tlsv3.Secret_TlsCertificate{TlsCertificate: &tlsv3.TlsCertificate{
		CertificateChain: inline(secret.ChainPEM), PrivateKey: inline(secret.Key.Reveal()),
	}}
	return message
}

func inline(text []byte) *corev3.DataSource {
	return &corev3.DataSource{Specifier: &corev3.DataSource_InlineBytes{InlineBytes: text}}
}
