package serve

import (
	"crypto/tls"
	"net"
	"net/netip"

	"outrigger.dev/outrigger/certs"
)

// identity is what the data folder holds.
type identity struct {
	authority *certs.Authority
	tokens    *certs.TokenVerifier
	serverTLS *tls.Config
}

// openIdentity reads the data folder's keys, or makes them; it comes before everything else.
func openIdentity(c Config) (*identity, error) {
	authority, err := certs.Open(certs.Config{Dir: c.DataDir, TrustDomain: c.TrustDomain, LeafTTL: c.IdentityTTL})
	if err != nil {
		return nil, err
	}
	if authority.RootsReplaced() {
		c.Logger.Warn("another authority begins here, proxies of the one before have to be bootstrapped again",
			"data_dir", c.DataDir, "roots", certs.RootsPath(c.DataDir))
	}
	id := &identity{authority: authority}
	id.tokens, err = certs.NewTokenVerifier(certs.TokenConfig{Dir: c.DataDir, TrustDomain: c.TrustDomain})
	if err == nil {
		id.serverTLS, err = authority.ServerTLS(append(ownAddress(c.XDSListen), c.ServerNames...))
	}
	if err != nil {
		return nil, err
	}
	return id, nil
}

// ownAddress returns the address of the listener where it is a single one: programs of gRPC, which verify the server by
// the name that they dial, need no further setting then.
func ownAddress(listen string) []string {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return nil
	}
	if ip, err := netip.ParseAddr(host); err != nil || ip.IsUnspecified() {
		return nil
	}
	return []string{host}
}
