package serve

import (
	"crypto/tls"
	"errors"

	"outrigger.dev/outrigger/certs"
)

// identity is what the data folder holds.
type identity struct {
	authority *certs.Authority
	tokens    *certs.TokenVerifier
	serverTLS *tls.Config
}

// openIdentity takes the data folder for this process alone; it comes before everything else.
func openIdentity(c Config) (*identity, error) {
	authority, err := certs.Open(certs.Config{Dir: c.DataDir, TrustDomain: c.TrustDomain, LeafTTL: c.IdentityTTL})
	if err != nil {
		return nil, err
	}
	id := &identity{authority: authority}
	id.tokens, err = certs.NewTokenVerifier(certs.TokenConfig{Dir: c.DataDir, TrustDomain: c.TrustDomain})
	if err == nil {
		id.serverTLS, err = authority.ServerTLS(c.ServerNames)
	}
	if err != nil {
		return nil, errors.Join(err, authority.Close())
	}
	return id, nil
}
