package certs

import (
	"errors"
	"fmt"
	"time"
)

const (
	// TokenAudience is whom join tokens are meant for.
	TokenAudience = "outrigger"

	// DefaultTokenTTL is the life of a join token that asks for none.
	DefaultTokenTTL = 24 * time.Hour
	// MaxTokenTTL is the longest life of a join token.
	MaxTokenTTL = 30 * 24 * time.Hour

	minTokenTTL   = time.Second
	maxTokenBytes = 4 << 10
	// tokenSkew is how far the verifier's clock may be behind the signer's.
	tokenSkew = time.Minute
)

// Why a token is refused. Callers map all of them to Unauthenticated and show
// the error's text, which never quotes the token.
var (
	// ErrTokenInvalid covers what is no token of this mesh: too long, not
	// well-formed, another algorithm, signature, issuer or audience, a claim
	// that is missing or not a good name.
	ErrTokenInvalid = errors.New("join token is invalid")
	// ErrTokenExpired says that the token was good once.
	ErrTokenExpired = errors.New("join token has expired")
	// ErrTokenNotYetValid says that the token's life begins later.
	ErrTokenNotYetValid = errors.New("join token is not valid yet")
)

// TokenRequest says whom a token is for.
type TokenRequest struct {
	// Namespace is a DNS-1123 label.
	Namespace string
	// ServiceAccount and Workload are DNS-1123 subdomains.
	ServiceAccount string
	Workload       string
	// TTL is at least 1 s and at most MaxTokenTTL; 0 means DefaultTokenTTL.
	TTL time.Duration
}

// Claims is what a verified token says.
type Claims struct {
	// ID is unique to each token, for logs.
	ID       string
	Identity Identity
	// Workload is the one workload of the identity's namespace that may use the token.
	Workload  string
	IssuedAt  time.Time
	ExpiresAt time.Time
}

// claimsJSON is the payload as it is signed.
type claimsJSON struct {
	Issuer         string `json:"iss"`
	Audience       string `json:"aud"`
	Subject        string `json:"sub"`
	Namespace      string `json:"namespace"`
	ServiceAccount string `json:"service_account"`
	Workload       string `json:"workload"`
	IssuedAt       int64  `json:"iat"`
	NotBefore      int64  `json:"nbf"`
	Expires        int64  `json:"exp"`
	ID             string `json:"jti"`
}

// issuerOf is the issuer of a mesh's tokens.
func issuerOf(trustDomain string) string { return "outrigger/" + trustDomain }

// check judges everything but the signature and the time. The order is that of usefulness
// to whoever reads the error.
func (c claimsJSON) check(trustDomain string) error {
	if err := c.checkNames(trustDomain); err != nil {
		return fmt.Errorf("%w: %w", ErrTokenInvalid, err)
	}
	if err := c.checkLife(); err != nil {
		return fmt.Errorf("%w: %w", ErrTokenInvalid, err)
	}
	return nil
}

// checkTime judges whether the time of a token has come and has not gone.
func (v verified) checkTime(now time.Time) error {
	if expires := v.claims.ExpiresAt; !now.Before(expires) {
		return fmt.Errorf("%w: that of workload %s/%s ended at %s; give it a new one, outrigger token --renew keeps it fresh",
			ErrTokenExpired, v.claims.Identity.Namespace, v.claims.Workload, expires.Format(time.RFC3339))
	}
	if now.Add(tokenSkew).Before(v.begins) {
		return fmt.Errorf("%w: begins at %s", ErrTokenNotYetValid, v.begins.Format(time.RFC3339))
	}
	return nil
}

func (c claimsJSON) checkNames(trustDomain string) error {
	if want := issuerOf(trustDomain); c.Issuer != want {
		return fmt.Errorf("issuer (iss) is %s, this mesh is %s", quote(c.Issuer), quote(want))
	}
	if c.Audience != TokenAudience {
		return fmt.Errorf("audience (aud) is %s, want %q", quote(c.Audience), TokenAudience)
	}
	identity := c.identity(trustDomain)
	if err := identity.Validate(); err != nil {
		return err
	}
	if c.Subject != identity.String() {
		return fmt.Errorf("subject (sub) is %s, its other claims say %s", quote(c.Subject), quote(identity.String()))
	}
	if !isHex(c.ID, tokenIDLen) {
		return errors.New("the id (jti) is missing or not ours")
	}
	return checkSubdomain("workload", c.Workload)
}

func (c claimsJSON) checkLife() error {
	for _, claim := range []struct {
		name  string
		value int64
	}{{"iat", c.IssuedAt}, {"nbf", c.NotBefore}, {"exp", c.Expires}} {
		if claim.value <= 0 || claim.value > maxUnix {
			return fmt.Errorf("the claim %s is missing or out of range", claim.name)
		}
	}
	if life := c.Expires - c.IssuedAt; life <= 0 || life > int64(MaxTokenTTL/time.Second) {
		return fmt.Errorf("it lives for %d seconds, want 1 to %d", life, int64(MaxTokenTTL/time.Second))
	}
	return nil
}

func (c claimsJSON) identity(trustDomain string) Identity {
	return Identity{TrustDomain: trustDomain, Namespace: c.Namespace, ServiceAccount: c.ServiceAccount}
}

func (c claimsJSON) verified(trustDomain string) verified {
	return verified{claims: c.claims(trustDomain), begins: time.Unix(max(c.NotBefore, c.IssuedAt), 0).UTC()}
}

func (c claimsJSON) claims(trustDomain string) Claims {
	return Claims{
		ID: c.ID, Identity: c.identity(trustDomain), Workload: c.Workload,
		IssuedAt: time.Unix(c.IssuedAt, 0).UTC(), ExpiresAt: time.Unix(c.Expires, 0).UTC(),
	}
}
