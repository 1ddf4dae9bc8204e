package cluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"
)

// pki is an authority with the files that it has made, in a folder.
type pki struct {
	dir    string
	key    *ecdsa.PrivateKey
	ca     *x509.Certificate
	serial int64
}

// keyPair names the files of a certificate and its key, PEM.
type keyPair struct{ cert, key string }

// leaf says what a certificate is for.
type leaf struct {
	name   string // common name
	groups []string
	dns    []string
	ips    []netip.Addr
}

// newPKI makes an authority with the file ca.crt in dir.
func newPKI(dir string) (*pki, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	p := &pki{dir: dir, key: key}
	template := p.template(leaf{name: "ca"})
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage |= x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	if p.ca, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	return p, writePEM(p.caFile(), "CERTIFICATE", der)
}

func (p *pki) caFile() string { return filepath.Join(p.dir, "ca.crt") }

func (p *pki) caKeyFile() (string, error) {
	path := filepath.Join(p.dir, "ca.key")
	return path, writeKey(path, p.key)
}

// issue makes a certificate for servers and clients, in files with the given name.
func (p *pki) issue(file string, l leaf) (keyPair, error) {
	pair := keyPair{cert: filepath.Join(p.dir, file+".crt"), key: filepath.Join(p.dir, file+".key")}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return pair, err
	}
	der, err := x509.CreateCertificate(rand.Reader, p.template(l), p.ca, key.Public(), p.key)
	if err != nil {
		return pair, fmt.Errorf("certificate %s: %w", file, err)
	}
	if err := writePEM(pair.cert, "CERTIFICATE", der); err != nil {
		return pair, err
	}
	return pair, writeKey(pair.key, key)
}

func (p *pki) template(l leaf) *x509.Certificate {
	p.serial++
	now := time.Now()
	t := &x509.Certificate{
		SerialNumber: big.NewInt(p.serial),
		Subject:      pkix.Name{CommonName: l.name, Organization: l.groups},
		NotBefore:    now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:    l.dns,
	}
	for _, ip := range l.ips {
		t.IPAddresses = append(t.IPAddresses, net.IP(ip.AsSlice()))
	}
	return t
}

// signingKey makes the key by which service account tokens are signed, and its public half.
func (p *pki) signingKey(file string) (private, public string, err error) {
	private, public = filepath.Join(p.dir, file+".key"), filepath.Join(p.dir, file+".pub")
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", err
	}
	if err := writeKey(private, key); err != nil {
		return "", "", err
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return "", "", err
	}
	return private, public, writePEM(public, "PUBLIC KEY", der)
}

func writeKey(path string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return writePEM(path, "EC PRIVATE KEY", der)
}

func writePEM(path, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}
