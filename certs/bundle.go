package certs

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Root is the public part of one authority.
type Root struct {
	// ID is a short hash of the authority's public key, 16 hex digits.
	ID          string
	Certificate *x509.Certificate
}

// Bundle is the set of authorities that verify the mesh's certificates.
// It is immutable.
type Bundle struct {
	// Version is a hash of the content, 16 hex digits.
	Version string
	// Roots has the authority that signs first.
	Roots []Root
	// PEM is all roots as text.
	PEM []byte
}

func newBundle(roots []*root) Bundle {
	bundle := Bundle{Roots: make([]Root, 0, len(roots))}
	for _, r := range roots {
		bundle.Roots = append(bundle.Roots, Root{ID: r.id, Certificate: r.cert})
		bundle.PEM = append(bundle.PEM, encodeCert(r.cert.Raw)...)
	}
	sum := sha256.Sum256(bundle.PEM)
	bundle.Version = hex.EncodeToString(sum[:8])
	return bundle
}

// Pool returns the roots as crypto/x509 wants them.
func (b Bundle) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	for _, r := range b.Roots {
		pool.AddCert(r.Certificate)
	}
	return pool
}

// NotAfter returns when the first of the roots ends.
func (b Bundle) NotAfter() time.Time {
	var first time.Time
	for _, r := range b.Roots {
		if first.IsZero() || r.Certificate.NotAfter.Before(first) {
			first = r.Certificate.NotAfter
		}
	}
	return first
}

// Bundle returns the authorities that verify the mesh's certificates.
func (a *Authority) Bundle() Bundle { return a.bundle }

// RootsPath is the file of the data folder that holds the roots, for those
// who must trust the server before they can speak to it.
func RootsPath(dir string) string { return filepath.Join(dir, rootsFile) }

// writeRoots writes the roots where bootstrap and others read them, and reports whether something else stood there.
func writeRoots(dir string, bundle Bundle) (replaced bool, err error) {
	path := RootsPath(dir)
	old, err := os.ReadFile(path)
	if err == nil && bytes.Equal(old, bundle.PEM) {
		return false, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("roots: %w", err)
	}
	replaced = err == nil
	if err := replaceFile(path, bundle.PEM, 0o644); err != nil {
		return false, fmt.Errorf("roots %s: %w", path, err)
	}
	return replaced, nil
}

// ReadRoots returns the roots that the server of a data folder published, as
// PEM, and their trust domain. The error is [fs.ErrNotExist] until a server
// has run there.
func ReadRoots(dir string) (roots []byte, trustDomain string, err error) {
	path := RootsPath(dir)
	file, err := os.Open(path)
	if err != nil {
		return nil, "", fmt.Errorf("roots (the server writes them when it first starts): %w", err)
	}
	roots, err = io.ReadAll(io.LimitReader(file, maxFileSize))
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, "", fmt.Errorf("roots %s: %w", path, err)
	}
	trustDomain, err = trustDomainOfPEM(roots)
	if err != nil {
		return nil, "", fmt.Errorf("roots %s: %w; restart the server to write it anew", path, err)
	}
	return roots, trustDomain, nil
}

// trustDomainOfPEM returns the one trust domain that all roots name.
func trustDomainOfPEM(roots []byte) (string, error) {
	var trustDomain string
	for rest := roots; len(bytes.TrimSpace(rest)) > 0; {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil || block.Type != pemCert {
			return "", errors.New("it holds something else than whole CERTIFICATE blocks")
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return "", fmt.Errorf("a certificate: %w", err)
		}
		own, err := trustDomainOf(cert)
		if err != nil {
			return "", err
		}
		if trustDomain != "" && own != trustDomain {
			return "", fmt.Errorf("it mixes trust domains %s and %s", quote(trustDomain), quote(own))
		}
		trustDomain = own
	}
	if trustDomain == "" {
		return "", errors.New("it is empty")
	}
	return trustDomain, nil
}
