package certs

import (
	"crypto/tls"
	"crypto/x509"
	"strings"
	"sync"
	"testing"
	"time"
)

func serverLeaf(t *testing.T, config *tls.Config) *x509.Certificate {
	t.Helper()
	pair, err := config.GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestServerTLSNames(t *testing.T) {
	authority := openAt(t, Config{Dir: dataFolder(t)})
	config, err := authority.ServerTLS([]string{"xds.example", "127.0.0.1", "::1", "outrigger"})
	if err != nil {
		t.Fatal(err)
	}
	for name, good := range map[string]bool{
		"outrigger": true, "xds.example": true, "127.0.0.1": true, "::1": true, "other.example": false, "127.0.0.2": false,
	} {
		client := &tls.Config{RootCAs: authority.Bundle().Pool(), ServerName: name, NextProtos: []string{"h2"}}
		if err := handshake(t, client, config); (err == nil) != good {
			t.Errorf("%s: %v", name, err)
		}
	}
	cert := serverLeaf(t, config)
	if len(cert.URIs) != 0 || len(cert.DNSNames) != 2 || len(cert.ExtKeyUsage) != 1 || cert.IsCA {
		t.Errorf("URIs %v, names %v, usage %v", cert.URIs, cert.DNSNames, cert.ExtKeyUsage)
	}
}

func TestServerTLSRefusesNames(t *testing.T) {
	authority := newAuthority(t, newClock())
	for _, name := range []string{"", "*", "*.example", "Xds.example", "a b", "xds.example:15010"} {
		if _, err := authority.ServerTLS([]string{name}); err == nil || !strings.Contains(err.Error(), "server name") {
			t.Errorf("%q: error %v", name, err)
		}
	}
}

func TestServerTLSPeers(t *testing.T) {
	mesh, foreign := openAt(t, Config{Dir: dataFolder(t)}), openAt(t, Config{Dir: dataFolder(t)})
	config, err := mesh.ServerTLS(nil)
	if err != nil {
		t.Fatal(err)
	}
	plain := func() *tls.Config { return &tls.Config{RootCAs: mesh.Bundle().Pool(), ServerName: ServerName} }
	of := func(signer *Authority) *tls.Config {
		client := peerTLS(t, signer, mesh, cart)
		client.ServerName = ServerName
		// Whatever authorities the server names, this client shows what it has.
		own := client.Certificates[0]
		client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &own, nil }
		return client
	}
	old := plain()
	old.MaxVersion = tls.VersionTLS12
	other := plain()
	other.NextProtos = []string{"spdy/3"}
	for _, test := range []struct {
		name   string
		client *tls.Config
		good   bool
	}{
		{"without a certificate", plain(), true},
		{"with a certificate of the mesh", of(mesh), true},
		{"with a foreign certificate", of(foreign), false},
		{"with TLS 1.2", old, false},
		{"with another protocol", other, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := handshake(t, test.client, config); (err == nil) != test.good {
				t.Fatalf("handshake: %v", err)
			}
		})
	}
}

// The certificate is renewed by the handshake that finds it due, once, and
// however many come at the same time.
func TestServerTLSRenews(t *testing.T) {
	clock := newClock()
	authority := newAuthority(t, clock)
	config, err := authority.ServerTLS(nil)
	if err != nil {
		t.Fatal(err)
	}
	first := serverLeaf(t, config)
	clock.Advance(4 * time.Hour)
	if again := serverLeaf(t, config); !again.Equal(first) {
		t.Error("renewed before a fifth of its life")
	}
	clock.Advance(6 * time.Hour)
	var wait sync.WaitGroup
	for range 32 {
		wait.Go(func() {
			if _, err := config.GetCertificate(nil); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if next := serverLeaf(t, config); next.Equal(first) || !next.NotAfter.Equal(clock.Now().Add(24*time.Hour)) {
		t.Errorf("not renewed: ends at %s", next.NotAfter)
	}
	if authority.Signed() != 2 {
		t.Errorf("%d signed, want 2", authority.Signed())
	}
}

func TestServerTLSOfAnExpiredAuthority(t *testing.T) {
	clock := newClock()
	authority := newAuthority(t, clock)
	config, err := authority.ServerTLS(nil)
	if err != nil {
		t.Fatal(err)
	}
	clock.Advance(rootLife + time.Second)
	if _, err := config.GetCertificate(nil); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("error %v", err)
	}
}
