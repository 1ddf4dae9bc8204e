package certs

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// TokenSigner makes join tokens. Its methods may be called at once from many goroutines.
type TokenSigner struct {
	config TokenConfig
	signer jose.Signer
}

// NewTokenSigner loads the key, or makes it when there is none.
func NewTokenSigner(config TokenConfig) (*TokenSigner, error) {
	key, config, err := loadTokenKey(config)
	if err != nil {
		return nil, err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: tokenAlgorithm, Key: key.Reveal()}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return nil, fmt.Errorf("key of join tokens: %w", err)
	}
	return &TokenSigner{config: config, signer: signer}, nil
}

// Sign makes a token, an HS256 JWT in compact form, and returns what it says.
func (s *TokenSigner) Sign(ctx context.Context, request TokenRequest) (Token, Claims, error) {
	if err := ctx.Err(); err != nil {
		return Token{}, Claims{}, fmt.Errorf("join token: %w", err)
	}
	payload, err := s.payload(request)
	if err != nil {
		return Token{}, Claims{}, err
	}
	text, err := s.seal(payload)
	if err != nil {
		return Token{}, Claims{}, fmt.Errorf("sign a join token: %w", err)
	}
	return NewToken(text), payload.claims(s.config.TrustDomain), nil
}

func (s *TokenSigner) payload(request TokenRequest) (claimsJSON, error) {
	if request.TTL == 0 {
		request.TTL = DefaultTokenTTL
	}
	if request.TTL < minTokenTTL || request.TTL > MaxTokenTTL {
		return claimsJSON{}, fmt.Errorf("join token: ttl %s: want %s to %s", request.TTL, minTokenTTL, MaxTokenTTL)
	}
	id := make([]byte, tokenIDLen/2)
	if _, err := rand.Read(id); err != nil {
		return claimsJSON{}, fmt.Errorf("join token: make an id: %w", err)
	}
	identity := Identity{TrustDomain: s.config.TrustDomain, Namespace: request.Namespace, ServiceAccount: request.ServiceAccount}
	now := s.config.Clock()
	payload := claimsJSON{
		Issuer: issuerOf(s.config.TrustDomain), Audience: TokenAudience, Subject: identity.String(),
		Namespace: request.Namespace, ServiceAccount: request.ServiceAccount, Workload: request.Workload,
		IssuedAt: now.Unix(), NotBefore: now.Unix(), Expires: now.Add(request.TTL).Unix(),
		ID: hex.EncodeToString(id),
	}
	if err := payload.checkNames(s.config.TrustDomain); err != nil {
		return claimsJSON{}, fmt.Errorf("join token: %w", err)
	}
	return payload, nil
}

func (s *TokenSigner) seal(payload claimsJSON) (string, error) {
	data, err := json.Marshal(payload)
	if err != nil {
		return "", err
	}
	signed, err := s.signer.Sign(data)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}
