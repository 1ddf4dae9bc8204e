package certs

import (
	"crypto/sha256"
	"sync"
	"time"
)

// verified is what is known of a token whose signature and names are good: nothing of it changes but whether its time
// has come or gone.
type verified struct {
	claims Claims
	begins time.Time
}

// maxVerified is how many tokens each of the two halves of a verifier's memory holds.
const maxVerified = 1 << 14

// memory knows tokens that were verified before, by their digest, so that a proxy that comes back costs no signature.
// What is refused is not kept, and so drives nothing out.
type memory struct {
	mu sync.Mutex
	// older are those that were not used since younger was last full.
	younger, older map[digest]verified
}

type digest [sha256.Size]byte

func digestOf(text string) digest { return sha256.Sum256([]byte(text)) }

func (m *memory) get(d digest) (v verified, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if v, ok = m.younger[d]; ok {
		return v, true
	}
	if v, ok = m.older[d]; ok {
		m.put(d, v)
	}
	return v, ok
}

func (m *memory) add(d digest, v verified) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.put(d, v)
}

// put makes room for a token by forgetting those that were not used for long. The caller holds mu.
func (m *memory) put(d digest, v verified) {
	if m.younger == nil || len(m.younger) >= maxVerified {
		m.younger, m.older = map[digest]verified{}, m.younger
	}
	m.younger[d] = v
}
