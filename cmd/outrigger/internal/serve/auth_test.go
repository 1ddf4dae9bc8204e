package serve

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"testing"

	"outrigger.dev/outrigger/certs"
	"outrigger.dev/outrigger/discovery"
	"outrigger.dev/outrigger/xds/server"
)

// TestCertificatesOfWorkloads: a certificate that names a workload of the mesh lets it in as that workload; others do not.
func TestCertificatesOfWorkloads(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/data"
	authority, err := certs.Open(certs.Config{Dir: dir, TrustDomain: "cluster.local"})
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := certs.NewTokenVerifier(certs.TokenConfig{Dir: dir, TrustDomain: "cluster.local"})
	if err != nil {
		t.Fatal(err)
	}
	ready := make(chan struct{})
	close(ready)
	a := newAuthenticator(verifier, newMembers(), ready, slog.New(slog.DiscardHandler))
	id := discovery.WorkloadID{Namespace: "shop", Name: "web-1"}
	a.members.apply(discovery.Update{Workloads: map[discovery.WorkloadID]*discovery.Workload{
		id: {ID: id, ServiceAccount: "web", Proxyless: true},
	}})
	issuer := certs.NewIssuer(authority)
	web := certs.Identity{TrustDomain: "cluster.local", Namespace: "shop", ServiceAccount: "web"}
	thief := web
	thief.ServiceAccount = "thief"
	program := func(id certs.Identity, workload string) *x509.Certificate {
		secret, err := issuer.WorkloadLeaf(t.Context(), id, workload, "")
		return leafOf(t, secret, err)
	}
	sidecar, err := issuer.Leaf(t.Context(), web, "")
	foreign := *program(web, "web-1")
	uri := *foreign.URIs[0]
	uri.Host = "elsewhere.example"
	foreign.URIs[0] = &uri
	for name, c := range map[string]struct {
		cert *x509.Certificate
		want error
	}{
		"its own":              {program(web, "web-1"), nil},
		"another account":      {program(thief, "web-1"), server.ErrPermissionDenied},
		"an unknown workload":  {program(web, "web-2"), server.ErrPermissionDenied},
		"a sidecar's":          {leafOf(t, sidecar, err), server.ErrUnauthenticated},
		"another trust domain": {&foreign, server.ErrUnauthenticated},
	} {
		admission, err := a.Authenticate(t.Context(), server.Credentials{PeerCertificates: []*x509.Certificate{c.cert}}, nil)
		peer := admission.Peer
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if c.want == nil && (peer.Node != "shop/web-1" || peer.Cluster != "shop/web" || !peer.Expires.Equal(c.cert.NotAfter)) {
			t.Errorf("%s: peer %+v", name, peer)
		}
	}
	if _, err := a.Authenticate(t.Context(), server.Credentials{}, nil); !errors.Is(err, server.ErrUnauthenticated) {
		t.Errorf("nothing: %v", err)
	}
}

func leafOf(t *testing.T, secret certs.Secret, err error) *x509.Certificate {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(secret.ChainPEM, secret.Key.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	return pair.Leaf
}

func TestOwnAddress(t *testing.T) {
	t.Parallel()
	for listen, want := range map[string]string{
		"127.0.0.1:15010": "127.0.0.1", "[fd00::1]:15010": "fd00::1", "0.0.0.0:15010": "", ":15010": "", "[::]:15010": "", "host:15010": "",
	} {
		got := ownAddress(listen)
		if want == "" && len(got) != 0 || want != "" && (len(got) != 1 || got[0] != want) {
			t.Errorf("%s: %v, want %q", listen, got, want)
		}
	}
}
