package certs

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"pgregory.net/rapid"
)

// bundleOf is the authority's bundle as go-spiffe, which shares no code with ours, wants it.
func bundleOf(authority *Authority) *x509bundle.Bundle {
	bundle := x509bundle.New(spiffeid.RequireTrustDomainFromString(testDomain))
	for _, r := range authority.Bundle().Roots {
		bundle.AddX509Authority(r.Certificate)
	}
	return bundle
}

func signFor(t rapid.TB, authority *Authority, id Identity) (*Leaf, *x509.Certificate, *ecdsa.PrivateKey) {
	key, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := authority.Sign(context.Background(), id, &key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(leaf.Chain[0])
	if err != nil {
		t.Fatal(err)
	}
	return leaf, cert, key
}

// Whatever is signed is an X.509-SVID of that identity for everybody who has
// the roots, in its time, and for nobody else.
func TestSignedLeavesVerify(t *testing.T) {
	clock := newClock()
	authority, foreign := newAuthority(t, clock), newAuthority(t, clock)
	rapid.Check(t, func(t *rapid.T) {
		id := drawIdentity(t, testDomain)
		_, cert, _ := signFor(t, authority, id)
		chain := []*x509.Certificate{cert}

		got, _, err := x509svid.Verify(chain, bundleOf(authority), x509svid.WithTime(clock.Now()))
		if err != nil || got.String() != id.String() {
			t.Fatalf("go-spiffe reads %q, %v; want %q", got, err, id)
		}
		if _, _, err := x509svid.Verify(chain, bundleOf(foreign), x509svid.WithTime(clock.Now())); err == nil {
			t.Fatal("it verifies with foreign roots")
		}
		for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
			if err := verifyAt(cert, authority, clock.Now(), usage); err != nil {
				t.Fatal(err)
			}
		}
		for _, shift := range []time.Duration{-2 * backdate, 24*time.Hour + time.Second} {
			if verifyAt(cert, authority, clock.Now().Add(shift), x509.ExtKeyUsageServerAuth) == nil {
				t.Fatalf("it verifies %s from now", shift)
			}
		}
	})
}

func verifyAt(cert *x509.Certificate, authority *Authority, now time.Time, usage x509.ExtKeyUsage) error {
	_, err := cert.Verify(x509.VerifyOptions{
		Roots: authority.Bundle().Pool(), CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{usage},
	})
	return err
}

func TestSignedLeavesHoldNothingElse(t *testing.T) {
	clock := newClock()
	authority := newAuthority(t, clock)
	leaf, cert, key := signFor(t, authority, cart)
	if len(cert.URIs) != 1 || cert.URIs[0].String() != cart.String() {
		t.Errorf("URIs %v", cert.URIs)
	}
	if len(cert.DNSNames)+len(cert.IPAddresses)+len(cert.EmailAddresses) != 0 || len(cert.Subject.ToRDNSequence()) != 0 {
		t.Errorf("other names: %v %v %v, subject %v", cert.DNSNames, cert.IPAddresses, cert.EmailAddresses, cert.Subject)
	}
	if cert.IsCA || !cert.BasicConstraintsValid || cert.KeyUsage != x509.KeyUsageDigitalSignature {
		t.Errorf("CA %v, key usage %b", cert.IsCA, cert.KeyUsage)
	}
	if want := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}; !reflect.DeepEqual(cert.ExtKeyUsage, want) {
		t.Errorf("extended key usage %v", cert.ExtKeyUsage)
	}
	if !key.PublicKey.Equal(cert.PublicKey) {
		t.Error("another public key")
	}
	if !cert.NotBefore.Equal(clock.Now().Add(-backdate)) || !cert.NotAfter.Equal(clock.Now().Add(24*time.Hour)) {
		t.Errorf("from %s to %s", cert.NotBefore, cert.NotAfter)
	}
	if leaf.AuthorityID != authority.Bundle().Roots[0].ID || !leaf.NotAfter.Equal(cert.NotAfter) || !leaf.IssuedAt.Equal(clock.Now()) {
		t.Errorf("leaf %+v", leaf)
	}
	if cert.SerialNumber.BitLen() > 128 || cert.SerialNumber.BitLen() < 64 {
		t.Errorf("serial number of %d bits", cert.SerialNumber.BitLen())
	}
	second, other, _ := signFor(t, authority, cart)
	if other.SerialNumber.Cmp(cert.SerialNumber) == 0 || second.Version == leaf.Version {
		t.Error("two leaves look the same")
	}
	if authority.Signed() != 2 {
		t.Errorf("%d signed, want 2", authority.Signed())
	}
}

func TestSignRefuses(t *testing.T) {
	authority := newAuthority(t, newClock())
	good, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	edKey, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		id   Identity
		key  crypto.PublicKey
		want string
	}{
		{"another trust domain", Identity{"other.example", "shop", "cart"}, &good.PublicKey, "trust domain"},
		{"a bad namespace", Identity{testDomain, "Shop", "cart"}, &good.PublicKey, "namespace"},
		{"a bad service account", Identity{testDomain, "shop", "cart/../root"}, &good.PublicKey, "service account"},
		{"no key", cart, nil, "ECDSA P-256"},
		{"a P-384 key", cart, &p384.PublicKey, "ECDSA P-256"},
		{"an RSA key", cart, &rsaKey.PublicKey, "ECDSA P-256"},
		{"an Ed25519 key", cart, edKey, "ECDSA P-256"},
		{"a private key", cart, good, "ECDSA P-256"},
	} {
		t.Run(test.name, func(t *testing.T) {
			leaf, err := authority.Sign(t.Context(), test.id, test.key)
			if leaf != nil || err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("leaf %v, error %v", leaf, err)
			}
		})
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := authority.Sign(ended, cart, &good.PublicKey); !errors.Is(err, context.Canceled) {
		t.Errorf("with an ended context: error %v", err)
	}
	if authority.Signed() != 0 {
		t.Errorf("%d signed, want none", authority.Signed())
	}
}

func TestLeavesNeverOutliveTheAuthority(t *testing.T) {
	clock := newClock()
	authority := newAuthority(t, clock)
	end := authority.Bundle().NotAfter()
	clock.Advance(end.Sub(clock.Now()) - time.Hour)
	leaf, cert, _ := signFor(t, authority, cart)
	if !cert.NotAfter.Equal(end) || !leaf.NotAfter.Equal(end) {
		t.Errorf("leaf ends at %s, the authority at %s", cert.NotAfter, end)
	}
	clock.Advance(time.Hour)
	key, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := authority.Sign(t.Context(), cart, &key.PublicKey); !errors.Is(err, ErrAuthorityExpired) {
		t.Errorf("error %v, want ErrAuthorityExpired", err)
	}
}

// Two leaves speak mutual TLS 1.3 with each other, with real handshakes, when
// both ends trust the same authority and expect the right id.
func TestMutualTLS(t *testing.T) {
	mesh, foreign := openAt(t, Config{Dir: dataFolder(t)}), openAt(t, Config{Dir: dataFolder(t)})
	web := Identity{testDomain, "shop", "web"}
	for _, test := range []struct {
		name         string
		client       *Authority
		server       *Authority
		expectServer Identity
		good         bool
	}{
		{"same mesh", mesh, mesh, cart, true},
		{"foreign client", foreign, mesh, cart, false},
		{"foreign server", mesh, foreign, cart, false},
		{"wrong id", mesh, mesh, web, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := peerTLS(t, test.server, mesh, cart)
			server.ClientAuth = tls.RequireAndVerifyClientCert
			server.ClientCAs = mesh.Bundle().Pool()
			client := peerTLS(t, test.client, mesh, web)
			client.InsecureSkipVerify = true // Names are ids: verified below, as go-spiffe does.
			client.VerifyPeerCertificate = func(raw [][]byte, _ [][]*x509.Certificate) error {
				id, _, err := x509svid.ParseAndVerify(raw, bundleOf(mesh))
				if err == nil && id.String() != test.expectServer.String() {
					err = errors.New("the server is " + id.String())
				}
				return err
			}
			if err := handshake(t, client, server); (err == nil) != test.good {
				t.Fatalf("handshake: %v", err)
			}
		})
	}
}

func peerTLS(t *testing.T, signer, trusted *Authority, id Identity) *tls.Config {
	t.Helper()
	_, cert, key := signFor(t, signer, id)
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}},
		RootCAs:      trusted.Bundle().Pool(),
		MinVersion:   tls.VersionTLS13,
	}
}

// handshake lets two ends speak over a loopback connection until each has heard the other.
func handshake(t *testing.T, client, server *tls.Config) error {
	t.Helper()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", server)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- echoOnce(listener) }()
	err = say(t.Context(), listener.Addr().String(), client)
	return errors.Join(err, <-done, listener.Close())
}

func echoOnce(listener net.Listener) error {
	conn, err := listener.Accept()
	if err != nil {
		return err
	}
	_, err = io.Copy(conn, io.LimitReader(conn, 5)) // The handshake is part of it.
	return errors.Join(err, conn.Close())
}

func say(ctx context.Context, address string, config *tls.Config) error {
	conn, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	_, err = conn.Write([]byte("hello"))
	if err == nil {
		_, err = io.ReadFull(conn, make([]byte, 5))
	}
	return errors.Join(err, conn.Close())
}
