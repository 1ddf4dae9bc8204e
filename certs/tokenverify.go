package certs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/go-jose/go-jose/v4"
)

// TokenVerifier checks join tokens. Its methods may be called at once from
// many goroutines.
type TokenVerifier struct {
	config TokenConfig
	key    tokenKey
	known  memory
}

// NewTokenVerifier loads the key, or makes it when there is none.
func NewTokenVerifier(config TokenConfig) (*TokenVerifier, error) {
	key, config, err := loadTokenKey(config)
	if err != nil {
		return nil, err
	}
	return &TokenVerifier{config: config, key: key}, nil
}

// TrustDomain returns the trust domain of every token that is accepted.
func (v *TokenVerifier) TrustDomain() string { return v.config.TrustDomain }

// Verify checks a token and returns what it says. The error is
// [ErrTokenInvalid], [ErrTokenExpired] or [ErrTokenNotYetValid]; nothing is
// parsed of a token of more than 4 KB.
func (v *TokenVerifier) Verify(token Token) (Claims, error) {
	text := token.Reveal()
	if len(text) > maxTokenBytes {
		return Claims{}, fmt.Errorf("%w: %d bytes, want at most %d", ErrTokenInvalid, len(text), maxTokenBytes)
	}
	good, err := v.verify(text)
	if err != nil {
		return Claims{}, err
	}
	if err := good.checkTime(v.config.Clock()); err != nil {
		return Claims{}, err
	}
	return good.claims, nil
}

// verify judges everything but the time, unless it has done so before.
func (v *TokenVerifier) verify(text string) (verified, error) {
	d := digestOf(text)
	if good, ok := v.known.get(d); ok {
		return good, nil
	}
	payload, err := v.open(text)
	if err != nil {
		return verified{}, err
	}
	if err := payload.check(v.config.TrustDomain); err != nil {
		return verified{}, err
	}
	good := payload.verified(v.config.TrustDomain)
	v.known.add(d, good)
	return good, nil
}

// open verifies the signature and reads the very bytes that it covers.
func (v *TokenVerifier) open(text string) (claimsJSON, error) {
	signed, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{tokenAlgorithm})
	if err != nil {
		// The parser's errors may quote its input.
		return claimsJSON{}, fmt.Errorf("%w: not an %s JWT in compact form", ErrTokenInvalid, tokenAlgorithm)
	}
	data, err := signed.Verify(v.key.Reveal())
	if err != nil {
		return claimsJSON{}, fmt.Errorf("%w: not signed by this mesh's key", ErrTokenInvalid)
	}
	var payload claimsJSON
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&payload); err != nil {
		return claimsJSON{}, fmt.Errorf("%w: the claims are not those of a join token", ErrTokenInvalid)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return claimsJSON{}, fmt.Errorf("%w: something stands behind the claims", ErrTokenInvalid)
	}
	return payload, nil
}
