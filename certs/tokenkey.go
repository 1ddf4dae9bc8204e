package certs

import (
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// tokenAlgorithm is the only signature that is made or accepted: a MAC, since whoever verifies can also sign.
	tokenAlgorithm = jose.HS256
	tokenKeyLen    = 32 // bytes
	tokenIDLen     = 32 // hex digits

	pemTokenKey = "OUTRIGGER TOKEN KEY"
)

// tokenKey signs and verifies join tokens. It prints as "[redacted]".
type tokenKey struct{ redacted[[]byte] }

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
func loadTokenKey(config TokenConfig) (tokenKey, TokenConfig, error) {
	if err := checkDomain("trust domain", config.TrustDomain); err != nil {
		return tokenKey{}, config, err
	}
	if config.Clock == nil {
		config.Clock = time.Now
	}
	if err := openFolder(config.Dir); err != nil {
		return tokenKey{}, config, err
	}
	path := filepath.Join(config.Dir, tokenKeyFile)
	data, err := loadOrCreate(path, newTokenKey)
	if err != nil {
		return tokenKey{}, config, fmt.Errorf("key of join tokens: %w", err)
	}
	key, err := decodeTokenKey(data)
	if err != nil {
		return tokenKey{}, config, fmt.Errorf("key of join tokens %s: %w; restore it from a backup, "+
			"or move it away to make a new one, which ends every token that was given out", path, err)
	}
	return key, config, nil
}

func newTokenKey() ([]byte, error) {
	key := make([]byte, tokenKeyLen)
	if _, err := rand.Read(key); err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemTokenKey, Bytes: key}), nil
}

// decodeTokenKey reads one key and refuses anything behind it.
func decodeTokenKey(data []byte) (tokenKey, error) {
	block, rest := pem.Decode(data)
	if block == nil || block.Type != pemTokenKey || len(block.Bytes) != tokenKeyLen {
		return tokenKey{}, fmt.Errorf("it does not begin with a whole %s block of %d bytes", pemTokenKey, tokenKeyLen)
	}
	if len(rest) != 0 {
		return tokenKey{}, errors.New("something stands behind the key")
	}
	return tokenKey{hide(block.Bytes)}, nil
}
