package server

import (
	crand "crypto/rand"
	"math/rand/v2"
	"strconv"
	"sync"
)

// nonceBits is enough that a client does not hit a nonce by trying, which takes a message for each.
const nonceBits = 50

// nonceBytes is how many digits that are.
const nonceBytes = 10

// nonce tells a response from others. It is a value without memory of its own; the zero one is none.
type nonce struct {
	size uint8
	text [nonceBytes]byte
}

// foreign stands for all that are longer than ours: it is that of no response.
var foreign = nonce{size: nonceBytes + 1}

// nonceFrom returns the next nonce.
func nonceFrom(source rand.Source) (n nonce) {
	n.size = uint8(len(strconv.AppendUint(n.text[:0], source.Uint64()>>(64-nonceBits), 36)))
	return n
}

// nonceOf returns the nonce that a message carries.
func nonceOf[T string | []byte](text T) (n nonce) {
	if len(text) > nonceBytes {
		return foreign
	}
	n.size = uint8(copy(n.text[:], text))
	return n
}

// some reports whether it is a nonce at all.
func (n *nonce) some() bool { return n.size > 0 }

// bytes returns the text of a nonce of ours.
func (n *nonce) bytes() []byte { return n.text[:min(n.size, nonceBytes)] }

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
