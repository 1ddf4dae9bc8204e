package certs

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"time"
)

// ErrAuthorityExpired says that the authority has no life left to give.
var ErrAuthorityExpired = errors.New("the authority has expired")

// Leaf is a signed certificate: the chain that its holder shows, without the root.
type Leaf struct {
	Validity
	Identity Identity
	// AuthorityID names the authority that signed.
	AuthorityID string
	// Chain is DER, the leaf first.
	Chain [][]byte
}

// ChainPEM returns the chain as text, the leaf first.
func (l *Leaf) ChainPEM() []byte {
	var text []byte
	for _, der := range l.Chain {
		text = append(text, encodeCert(der)...)
	}
	return text
}

// Sign signs a public key for an identity that the caller has authenticated,
// following the SPIFFE X.509-SVID standard. Everything in the certificate
// comes from the identity and this authority; the key is all that is taken
// from whoever asks. The identity must be of this trust domain, the key ECDSA
// P-256. The certificate never outlives the authority.
func (a *Authority) Sign(ctx context.Context, identity Identity, key crypto.PublicKey) (*Leaf, error) {
	return a.signIdentity(ctx, identity, key, nil)
}

func (a *Authority) signIdentity(ctx context.Context, identity Identity, key crypto.PublicKey, dnsNames []string) (*Leaf, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("sign %s: %w", identity, err)
	}
	if identity.TrustDomain != a.config.TrustDomain {
		return nil, fmt.Errorf("sign %s: this is the authority of trust domain %s", quote(identity.String()), a.config.TrustDomain)
	}
	id, err := identity.ID()
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	leaf, err := a.sign(&x509.Certificate{
		URIs:        []*url.URL{id.URL()},
		DNSNames:    dnsNames,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, key)
	if err != nil {
		return nil, fmt.Errorf("sign %s: %w", identity, err)
	}
	leaf.Identity = identity
	leaf.Version = leafVersion{
		identity: identity, authority: leaf.AuthorityID, algorithm: keyAlgorithm,
		notAfter: leaf.NotAfter, serial: leaf.Version,
	}.String()
	return leaf, nil
}

// sign completes a template that says only who and what for, and signs it.
// The leaf's version is the front of its serial number.
func (a *Authority) sign(template *x509.Certificate, key crypto.PublicKey) (*Leaf, error) {
	public, ok := key.(*ecdsa.PublicKey)
	if !ok || public.Curve != elliptic.P256() {
		return nil, fmt.Errorf("a public key of type %T: only ECDSA P-256 is signed", key)
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	signer := a.roots[0]
	issued, notAfter, err := a.life(signer)
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	template.NotBefore, template.NotAfter = issued.Add(-backdate), notAfter
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.BasicConstraintsValid = true
	der, err := x509.CreateCertificate(rand.Reader, template, signer.cert, public, signer.key)
	if err != nil {
		return nil, err
	}
	a.signed.Add(1)
	var number [16]byte
	return &Leaf{
		Validity: Validity{
			Version:  hex.EncodeToString(serial.FillBytes(number[:]))[:serialLen],
			IssuedAt: issued, NotAfter: notAfter,
		},
		AuthorityID: signer.id,
		Chain:       [][]byte{der},
	}, nil
}

// life returns when a leaf that is signed now is issued and ends.
func (a *Authority) life(signer *root) (issued, notAfter time.Time, err error) {
	issued = a.config.Clock().UTC().Truncate(time.Second) // Certificates know no smaller unit.
	notAfter = issued.Add(a.config.LeafTTL)
	if end := signer.cert.NotAfter; notAfter.After(end) {
		notAfter = end
	}
	if !issued.Before(notAfter) {
		return issued, notAfter, fmt.Errorf("%w: authority %s ended at %s; move %s in the data folder away and restart",
			ErrAuthorityExpired, signer.id, notAfter.Format(time.RFC3339), authorityFile)
	}
	return issued, notAfter, nil
}

// renewAt is RenewAt, except that a leaf which ends with the authority that
// signs has nothing to gain: a new one would end at the same moment.
func (a *Authority) renewAt(validity Validity) time.Time {
	if end := a.roots[0].cert.NotAfter; !validity.NotAfter.Before(end) {
		return validity.NotAfter
	}
	return RenewAt(validity)
}
