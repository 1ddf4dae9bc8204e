// Package selfsigned has a certificate for tests that need TLS between a client and a server, and nothing of a mesh. It imports
// nothing of ours, and is never used by the product.
package selfsigned

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"sync"
	"time"
)

// Name is who the certificate is for.
const Name = "outrigger"

// Certificate returns the certificate, which is made once, and holds good at any time of a bubble of synctest too. It must be called
// outside of all bubbles first.
var Certificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: Name}, DNSNames: []string{Name},
		// A bubble of synctest begins in the year 2000.
		NotBefore: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
})

// Client returns the settings of a client that trusts the certificate and speaks the protocols.
func Client(protocols ...string) *tls.Config {
	return &tls.Config{RootCAs: Roots(), ServerName: Name, MinVersion: tls.VersionTLS13, NextProtos: protocols}
}

// Roots returns the pool that holds the certificate alone.
func Roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(Certificate().Leaf)
	return pool
}
