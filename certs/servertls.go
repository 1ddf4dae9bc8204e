package certs

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/url"
	"slices"
	"sync"
	"time"
)

// ServerName is the DNS name that the server's certificate always has.
const ServerName = "outrigger"

// ServerTLS returns the settings of the control plane's own listener: TLS 1.3,
// HTTP/2, a certificate for ServerName and the given DNS names and IP
// addresses. A client certificate is not required, but verified when there is one.
// The certificate lives in memory and is renewed by the same predicates as a
// proxy's, when a handshake finds it due.
func (a *Authority) ServerTLS(names []string) (*tls.Config, error) {
	source := &serverCert{authority: a, usages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, name := range append([]string{ServerName}, names...) {
		if err := source.add(name); err != nil {
			return nil, err
		}
	}
	if _, err := source.get(); err != nil {
		return nil, err
	}
	return &tls.Config{
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return source.get() },
		MinVersion:     tls.VersionTLS13,
		MaxVersion:     tls.VersionTLS13,
		NextProtos:     []string{"h2"},
		ClientAuth:     tls.VerifyClientCertIfGiven,
		ClientCAs:      a.bundle.Pool(),
		Time:           a.config.Clock,
		// A ticket would outlive the certificate that it stands for.
		SessionTicketsDisabled: true,
	}, nil
}

// serverCert is a certificate of the control plane itself, and its key.
type serverCert struct {
	authority *Authority
	dns       []string
	ips       []net.IP
	uris      []*url.URL
	usages    []x509.ExtKeyUsage

	mu       sync.Mutex // Held while signing too: one handshake signs, the others wait for it.
	cert     *tls.Certificate
	validity Validity
	renewAt  time.Time
}

func (s *serverCert) add(name string) error {
	if ip := net.ParseIP(name); ip != nil {
		s.ips = append(s.ips, ip)
		return nil
	}
	if err := checkDomain("server name", name); err != nil {
		return err
	}
	if !slices.Contains(s.dns, name) {
		s.dns = append(s.dns, name)
	}
	return nil
}

// get returns the certificate, renewed when it is due. One that cannot be
// renewed serves until it ends.
func (s *serverCert) get() (*tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.authority.config.Clock()
	if s.cert != nil && now.Before(s.renewAt) {
		return s.cert, nil
	}
	err := s.renew()
	if err != nil && (s.cert == nil || !now.Before(s.validity.NotAfter)) {
		return nil, fmt.Errorf("certificate of the server: %w", err)
	}
	return s.cert, nil
}

func (s *serverCert) renew() error {
	key, err := newKey()
	if err != nil {
		return err
	}
	leaf, err := s.authority.sign(&x509.Certificate{
		DNSNames:    s.dns,
		IPAddresses: s.ips,
		URIs:        s.uris,
		ExtKeyUsage: s.usages,
	}, &key.PublicKey)
	if err != nil {
		return err
	}
	s.cert = &tls.Certificate{Certificate: leaf.Chain, PrivateKey: key}
	s.validity = leaf.Validity
	s.renewAt = s.authority.renewAt(leaf.Validity)
	return nil
}
