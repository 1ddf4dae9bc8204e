package certs

import (
	"crypto/ecdsa"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// tokenAlgorithm is the only signature that is made or accepted.
	tokenAlgorithm = jose.ES256
	tokenIDLen     = 32 // hex digits
)

// TokenConfig says where the key of join tokens lives.
type TokenConfig struct {
	// Dir is the data folder of the server; it is made when missing.
	Dir string
	// TrustDomain is the mesh that tokens are for.
	TrustDomain string
	// Clock tells the time; nil means [time.Now].
	Clock func() time.Time
}

// loadTokenKey reads the key of join tokens, or makes it: the server and
// `outrigger token` may come first, or at once. It takes no lock on the folder.
func loadTokenKey(config TokenConfig) (*ecdsa.PrivateKey, TokenConfig, error) {
	if err := checkDomain("trust domain", config.TrustDomain); err != nil {
		return nil, config, err
	}
	if config.Clock == nil {
		config.Clock = time.Now
	}
	if err := openFolder(config.Dir); err != nil {
		return nil, config, err
	}
	path := filepath.Join(config.Dir, tokenKeyFile)
	data, err := loadOrCreate(path, newKeyPEM)
	if err != nil {
		return nil, config, fmt.Errorf("key of join tokens: %w", err)
	}
	key, rest, err := decodeKey(data)
	if err == nil && len(rest) != 0 {
		err = errors.New("something stands behind the key")
	}
	if err != nil {
		return nil, config, fmt.Errorf("key of join tokens %s: %w; restore it from a backup, "+
			"or move it away to make a new one, which ends every token that was given out", path, err)
	}
	return key, config, nil
}

func newKeyPEM() ([]byte, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	return encodeKey(key)
}
