package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
)

// peerPath is the path of the control plane's own SPIFFE id. No workload has it: theirs are "/ns/<namespace>/sa/<account>".
const peerPath = "/outrigger"

// errNoPeer says that a good certificate is not that of a control plane.
var errNoPeer = errors.New("the certificate is not that of a control plane of this mesh")

// PeerTLS returns the settings by which servers of one authority speak to each
// other, for the listening and for the calling side: TLS 1.3, HTTP/2, and on
// both a certificate of the control plane itself, which is signed here, lives
// in memory and names "spiffe://<trust domain>/outrigger".
func (a *Authority) PeerTLS() (server, client *tls.Config, err error) {
	id := &url.URL{Scheme: "spiffe", Host: a.config.TrustDomain, Path: peerPath}
	own := &serverCert{
		authority: a, dns: []string{ServerName}, uris: []*url.URL{id},
		usages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if _, err := own.get(); err != nil {
		return nil, nil, err
	}
	common := &tls.Config{
		MinVersion: tls.VersionTLS13, MaxVersion: tls.VersionTLS13, NextProtos: []string{"h2"}, Time: a.config.Clock,
		VerifyConnection:       func(state tls.ConnectionState) error { return checkPeer(state, id.String()) },
		SessionTicketsDisabled: true,
	}
	server, client = common.Clone(), common
	server.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return own.get() }
	server.ClientAuth, server.ClientCAs = tls.RequireAndVerifyClientCert, a.bundle.Pool()
	client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return own.get() }
	client.RootCAs, client.ServerName = a.bundle.Pool(), ServerName
	return server, client, nil
}

// checkPeer looks at who the other end is, once its certificate is verified.
func checkPeer(state tls.ConnectionState, id string) error {
	if len(state.PeerCertificates) == 0 {
		return errNoPeer
	}
	uris := state.PeerCertificates[0].URIs
	if len(uris) != 1 || uris[0].String() != id {
		return fmt.Errorf("%w: want %s", errNoPeer, id)
	}
	return nil
}
