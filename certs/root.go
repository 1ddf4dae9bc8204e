package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"time"
)

const (
	rootLife = 10 * 365 * 24 * time.Hour
	// backdate is how far before now a certificate begins, for clocks that are slow.
	backdate = time.Minute

	pemKey  = "PRIVATE KEY"
	pemCert = "CERTIFICATE"
)

// root is one authority: a self-signed certificate and its key.
type root struct {
	id   string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// newRootPEM makes an authority's key and certificate, in one text, so that
// one file holds both and neither can be there without the other.
func newRootPEM(trustDomain string, now time.Time) ([]byte, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	id, err := authorityID(&key.PublicKey)
	if err != nil {
		return nil, err
	}
	template, err := rootTemplate(trustDomain, id, now)
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("sign the authority's certificate: %w", err)
	}
	keyPEM, err := encodeKey(key)
	if err != nil {
		return nil, err
	}
	return append(keyPEM, encodeCert(der)...), nil
}

// rootTemplate follows the SPIFFE X.509-SVID standard for signing certificates:
// the trust domain as the only URI, CA:TRUE, no other key usage than signing.
func rootTemplate(trustDomain, id string, now time.Time) (*x509.Certificate, error) {
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	return &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{Organization: []string{"Outrigger"}, CommonName: id},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(rootLife),
		URIs:                  []*url.URL{{Scheme: "spiffe", Host: trustDomain}},
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true, // The authority signs leaves and no further authorities.
	}, nil
}

// parseRoot reads what newRootPEM wrote and checks that it is an authority of
// this trust domain, whole, in its time, with the key that belongs to it.
func parseRoot(data []byte, trustDomain string, now time.Time) (*root, error) {
	key, rest, err := decodeKey(data)
	if err != nil {
		return nil, err
	}
	cert, err := decodeCert(rest)
	if err != nil {
		return nil, err
	}
	if err := checkRoot(cert, trustDomain, now); err != nil {
		return nil, err
	}
	if !key.PublicKey.Equal(cert.PublicKey) {
		return nil, errors.New("the private key does not belong to the certificate")
	}
	id, err := authorityID(&key.PublicKey)
	if err != nil {
		return nil, err
	}
	return &root{id: id, cert: cert, key: key}, nil
}

func checkRoot(cert *x509.Certificate, trustDomain string, now time.Time) error {
	own, err := trustDomainOf(cert)
	switch {
	case err != nil:
		return err
	case own != trustDomain:
		return fmt.Errorf("it is the authority of trust domain %s, the server was started for %s", quote(own), quote(trustDomain))
	case now.Before(cert.NotBefore):
		return fmt.Errorf("the certificate begins at %s; check the clock", cert.NotBefore.UTC().Format(time.RFC3339))
	case !now.Before(cert.NotAfter):
		return fmt.Errorf("the certificate ended at %s", cert.NotAfter.UTC().Format(time.RFC3339))
	}
	return nil
}

// trustDomainOf returns the trust domain whose authority a certificate is.
func trustDomainOf(cert *x509.Certificate) (string, error) {
	if !cert.IsCA || cert.KeyUsage&x509.KeyUsageCertSign == 0 {
		return "", errors.New("the certificate is not an authority's")
	}
	if len(cert.URIs) != 1 || cert.URIs[0].Scheme != "spiffe" || cert.URIs[0].Path != "" {
		return "", errors.New("the certificate does not name a trust domain as its only URI")
	}
	return cert.URIs[0].Host, nil
}

// authorityID is a short hash of the public key.
func authorityID(key *ecdsa.PublicKey) (string, error) {
	spki, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return "", fmt.Errorf("encode the authority's public key: %w", err)
	}
	sum := sha256.Sum256(spki)
	return hex.EncodeToString(sum[:])[:authorityIDLen], nil
}

func newKey() (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	return key, nil
}

// newSerial returns 128 random bits, never zero.
func newSerial() (*big.Int, error) {
	limit := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 128), big.NewInt(1))
	n, err := rand.Int(rand.Reader, limit)
	if err != nil {
		return nil, fmt.Errorf("make a serial number: %w", err)
	}
	return n.Add(n, big.NewInt(1)), nil
}

func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode a private key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemKey, Bytes: der}), nil
}

func encodeCert(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: pemCert, Bytes: der})
}

// decodeKey reads one ECDSA P-256 key and returns what follows it. Its errors
// never quote the text.
func decodeKey(data []byte) (*ecdsa.PrivateKey, []byte, error) {
	block, rest := pem.Decode(data)
	if block == nil || block.Type != pemKey {
		return nil, nil, errors.New("it does not begin with a whole PRIVATE KEY block")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, nil, errors.New("the private key is not PKCS #8")
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, nil, errors.New("the private key is not ECDSA P-256")
	}
	return key, rest, nil
}

// decodeCert reads one certificate and refuses anything behind it.
func decodeCert(data []byte) (*x509.Certificate, error) {
	block, rest := pem.Decode(data)
	if block == nil || block.Type != pemCert {
		return nil, errors.New("it holds no whole CERTIFICATE block")
	}
	if len(rest) != 0 {
		return nil, errors.New("something stands behind the certificate")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("the certificate: %w", err)
	}
	return cert, nil
}
