package certificate

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/types/known/anypb"

	"outrigger.dev/outrigger/certs"
)

// TestWhatIsNotWrittenIsAskedForAgain: a new pair that the folder does not take is refused, and not claimed to be there when the
// keeper comes back; then it is written.
func TestWhatIsNotWrittenIsAskedForAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	k := &keeper{Config: Config{Dir: dir, Logger: slog.New(slog.DiscardHandler)}}
	give := func(version string) *discoveryv3.DeltaDiscoveryRequest {
		t.Helper()
		return k.take(t.Context(), pairOf(t, version))
	}
	k.firstRequest()
	if answer := give("1"); answer.GetErrorDetail() != nil {
		t.Fatal(answer.GetErrorDetail())
	}
	if got := k.firstRequest().GetInitialResourceVersions(); got[certs.NameRoots] != "1" || got[certs.NameWorkload] != "1" {
		t.Errorf("has %v after the first pair", got)
	}

	k.Dir = filepath.Join(dir, "certificate.pem", "no folder")
	if answer := give("2"); answer.GetErrorDetail() == nil {
		t.Error("what was not written is acknowledged")
	}
	if got := k.firstRequest().GetInitialResourceVersions(); len(got) > 0 {
		t.Errorf("claims %v, which was not written", got)
	}

	k.Dir = dir
	if answer := give("2"); answer.GetErrorDetail() != nil {
		t.Fatal(answer.GetErrorDetail())
	}
	roots, err := os.ReadFile(filepath.Join(dir, "roots.pem"))
	if err != nil || string(roots) != "roots 2" {
		t.Errorf("the folder has %q, %v", roots, err)
	}
}

// pairOf is a response with both secrets.
func pairOf(t *testing.T, version string) *discoveryv3.DeltaDiscoveryResponse {
	t.Helper()
	inline := func(text string) *corev3.DataSource {
		return &corev3.DataSource{Specifier: &corev3.DataSource_InlineBytes{InlineBytes: []byte(text)}}
	}
	r := &discoveryv3.DeltaDiscoveryResponse{TypeUrl: secretType, Nonce: version}
	for _, secret := range []*tlsv3.Secret{
		{Name: certs.NameRoots, Type: &tlsv3.Secret_ValidationContext{
			ValidationContext: &tlsv3.CertificateValidationContext{TrustedCa: inline("roots " + version)},
		}},
		{Name: certs.NameWorkload, Type: &tlsv3.Secret_TlsCertificate{
			TlsCertificate: &tlsv3.TlsCertificate{CertificateChain: inline(leafPEM(t)), PrivateKey: inline("key " + version)},
		}},
	} {
		packed, err := anypb.New(secret)
		if err != nil {
			t.Fatal(err)
		}
		r.Resources = append(r.Resources, &discoveryv3.Resource{Name: secret.GetName(), Version: version, Resource: packed})
	}
	return r
}

func leafPEM(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		URIs: []*url.URL{{Scheme: "spiffe", Host: "cluster.local", Path: "/ns/shop/sa/cart"}},
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, leaf, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}
