package mesh

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// Forger signs certificates for any name with a mesh's own key, which only a
// thief of the data folder could do: what it signs shows whether names are
// verified, and not just signatures.
type Forger struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// Forger reads the key of the mesh's authority.
func (m *Mesh) Forger() (*Forger, error) {
	data, err := os.ReadFile(filepath.Join(m.DataDir(), "authority.pem"))
	if err != nil {
		return nil, err
	}
	keyBlock, rest := pem.Decode(data)
	certBlock, _ := pem.Decode(rest)
	if keyBlock == nil || certBlock == nil {
		return nil, errors.New("authority.pem holds no key and certificate")
	}
	key, err := x509.ParsePKCS8PrivateKey(keyBlock.Bytes)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(certBlock.Bytes)
	if err != nil {
		return nil, err
	}
	ecKey, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("authority.pem holds a %T", key)
	}
	return &Forger{cert: cert, key: ecKey}, nil
}

// Stranger is a forger with an authority of its own, which no mesh trusts.
func Stranger() (*Forger, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := template()
	template.IsCA, template.KeyUsage = true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &Forger{cert: cert, key: key}, err
}

// Certificate returns a certificate, with its key, that says it is id, a URI.
func (f *Forger) Certificate(id string) (tls.Certificate, error) {
	uri, err := url.Parse(id)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := template()
	template.URIs = []*url.URL{uri}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	der, err := x509.CreateCertificate(rand.Reader, template, f.cert, &key.PublicKey, f.key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// Client is the TLS of a client that shows that certificate and believes every
// server: what is under test is what the server believes.
func (f *Forger) Client(id string, protocols ...string) (*tls.Config, error) {
	cert, err := f.Certificate(id)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: protocols, InsecureSkipVerify: true,
		// With Certificates alone, none is shown to a server that names other authorities.
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil },
	}, nil
}

// Server is the TLS of a server that shows that certificate and demands none.
func (f *Forger) Server(id string, protocols ...string) (*tls.Config, error) {
	cert, err := f.Certificate(id)
	if err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS13, NextProtos: protocols, Certificates: []tls.Certificate{cert}}, nil
}

func template() *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), NotBefore: now.Add(-time.Minute), NotAfter: now.Add(time.Hour),
		BasicConstraintsValid: true,
	}
}
