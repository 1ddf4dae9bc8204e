package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestWorkloadLeafNamesItsWorkload: what the authority puts in, and only that, is read back.
func TestWorkloadLeafNamesItsWorkload(t *testing.T) {
	authority := newAuthority(t, newClock())
	issuer := NewIssuer(authority)
	rapid.Check(t, func(t *rapid.T) {
		id := drawIdentity(t, testDomain)
		workload := rapid.StringMatching(`[a-z]([-a-z0-9]{0,20}[a-z0-9])?(\.[a-z0-9]{1,10})?`).Draw(t, "workload")
		secret, err := issuer.WorkloadLeaf(context.Background(), id, workload, "")
		if err != nil {
			t.Fatal(err)
		}
		pair, err := tls.X509KeyPair(secret.ChainPEM, secret.Key.Reveal())
		if err != nil {
			t.Fatal(err)
		}
		gotID, gotWorkload, err := WorkloadOf(pair.Leaf)
		if err != nil || gotID != id || gotWorkload != workload {
			t.Fatalf("got %v %q: %v", gotID, gotWorkload, err)
		}
		if secret.Name != NameWorkload || secret.Kind != KindLeaf {
			t.Fatalf("secret %+v", secret)
		}
		kept, err := issuer.WorkloadLeaf(context.Background(), id, workload, secret.Version)
		if err != nil || !kept.Keep || kept.Name != NameWorkload {
			t.Fatalf("kept %+v: %v", kept, err)
		}
	})
}

// TestOtherCertificatesNameNoWorkload: neither a sidecar's, nor one whose name is of another namespace.
func TestOtherCertificatesNameNoWorkload(t *testing.T) {
	authority := newAuthority(t, newClock())
	secret := leafOf(t, NewIssuer(authority), cart, "")
	pair, err := tls.X509KeyPair(secret.ChainPEM, secret.Key.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	uri, err := url.Parse(cart.String())
	if err != nil {
		t.Fatal(err)
	}
	for name, cert := range map[string]*x509.Certificate{
		"sidecar":           pair.Leaf,
		"another namespace": {URIs: []*url.URL{uri}, DNSNames: []string{"cart-1.blog.workload.invalid"}},
		"another suffix":    {URIs: []*url.URL{uri}, DNSNames: []string{"cart-1.shop.workload.example"}},
		"no workload":       {URIs: []*url.URL{uri}, DNSNames: []string{".shop.workload.invalid"}},
		"two names":         {URIs: []*url.URL{uri}, DNSNames: []string{"a.shop.workload.invalid", "b.shop.workload.invalid"}},
		"no identity":       {DNSNames: []string{"cart-1.shop.workload.invalid"}},
		"foreign identity":  {URIs: []*url.URL{{Scheme: "spiffe", Host: "x", Path: "/y"}}, DNSNames: []string{"cart-1.shop.workload.invalid"}},
	} {
		if _, workload, err := WorkloadOf(cert); err == nil {
			t.Errorf("%s names workload %q", name, workload)
		}
	}
	if _, err := NewIssuer(authority).WorkloadLeaf(t.Context(), cart, "Bad_Name", ""); err == nil || !strings.Contains(err.Error(), "workload") {
		t.Errorf("a bad name: %v", err)
	}
}
