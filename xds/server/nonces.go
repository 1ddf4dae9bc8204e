package server

import (
	crand "crypto/rand"
	"math/rand/v2"
	"strconv"
	"sync"
)

// nonceBits is enough that a client does not hit a nonce by trying, which takes a message for each.
const nonceBits = 50

// nonceFrom returns a response's nonce, never empty.
func nonceFrom(source rand.Source) string {
	return strconv.FormatUint(source.Uint64()>>(64-nonceBits), 36)
}

// nonceSource is what all streams of a server have their nonces from. Who has seen any number of them, of streams of his
// own, cannot guess others: ChaCha8 is a cipher.
type nonceSource struct {
	mu     sync.Mutex
	cipher *rand.ChaCha8
}

func newNonceSource() *nonceSource {
	var seed [32]byte
	_, _ = crand.Read(seed[:]) // It never fails.
	return &nonceSource{cipher: rand.NewChaCha8(seed)}
}

// Uint64 returns the next 64 bits. It may be called by many goroutines.
func (n *nonceSource) Uint64() uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.cipher.Uint64()
}
