package certs

import "context"

// Issuer gives proxies their secrets: certificates with keys made here, which
// live in memory only, and the roots. Its methods may be called at once from
// many goroutines; it keeps nothing between calls.
type Issuer struct {
	authority *Authority
}

// NewIssuer returns an issuer of certificates that the authority signs.
func NewIssuer(authority *Authority) *Issuer { return &Issuer{authority: authority} }

// Leaf returns the certificate and key of an identity that the caller has
// authenticated. When haveVersion, which may be any text, names a leaf of the
// same identity that is good and not yet due for renewal, the secret is that
// version with Keep set: a reconnect costs no signature.
func (i *Issuer) Leaf(ctx context.Context, identity Identity, haveVersion string) (Secret, error) {
	return i.leaf(ctx, identity, haveVersion)
}

func (i *Issuer) leaf(ctx context.Context, identity Identity, haveVersion string, dnsNames ...string) (Secret, error) {
	if kept, ok := i.keep(identity, haveVersion); ok {
		return kept, nil
	}
	key, err := newKey()
	if err != nil {
		return Secret{}, err
	}
	leaf, err := i.authority.signIdentity(ctx, identity, &key.PublicKey, dnsNames)
	if err != nil {
		return Secret{}, err
	}
	text, err := encodeKey(key)
	if err != nil {
		return Secret{}, err
	}
	secret := i.leafSecret(leaf.Validity)
	secret.ChainPEM = leaf.ChainPEM()
	secret.Key = PrivateKeyPEM{hide(text)}
	return secret, nil
}

// Roots returns the trust bundle, with Keep set and without its body when
// haveVersion is its version.
func (i *Issuer) Roots(haveVersion string) Secret {
	bundle := i.authority.Bundle()
	secret := Secret{Kind: KindRoots, Name: NameRoots, Version: bundle.Version, NotAfter: bundle.NotAfter()}
	if haveVersion == bundle.Version {
		secret.Keep = true
		return secret
	}
	secret.RootsPEM = bundle.PEM
	return secret
}

// keep judges a version by what it says, as if it were true: a proxy that
// lies about what it holds harms itself alone.
func (i *Issuer) keep(identity Identity, haveVersion string) (Secret, bool) {
	version, err := parseLeafVersion(haveVersion)
	if err != nil || version.identity != identity || i.authority.Tainted(version.authority) {
		return Secret{}, false
	}
	now, ttl := i.authority.config.Clock(), i.authority.config.LeafTTL
	if version.notAfter.After(i.authority.root(version.authority).cert.NotAfter) || version.notAfter.After(now.Add(ttl)) {
		// Longer than any leaf that is signed now: the setting has changed,
		// or the version is invented.
		return Secret{}, false
	}
	secret := i.leafSecret(Validity{
		Version: haveVersion, IssuedAt: version.notAfter.Add(-ttl), NotAfter: version.notAfter,
	})
	secret.Keep = true
	return secret, now.Before(secret.RenewAt)
}

func (i *Issuer) leafSecret(validity Validity) Secret {
	return Secret{
		Kind: KindLeaf, Name: NameIdentity, Version: validity.Version,
		NotAfter: validity.NotAfter, RenewAt: i.authority.renewAt(validity),
	}
}
