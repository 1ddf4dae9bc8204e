package transport

import (
	"crypto/tls"
	"net"
	"testing"
)

// TestCiphersAreFound: another Go may have other names for them; then nothing would be asked for, and nobody would notice.
func TestCiphersAreFound(t *testing.T) {
	near, far := net.Pipe()
	server, client := tls.Server(near, serverTLS()), tls.Client(far, clientTLS())
	over := make(chan struct{})
	go func() {
		defer close(over)
		_, _ = client.Read(make([]byte, 1)) // Until the server has gone.
	}()
	if err := server.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() { <-over }()
	defer near.Close()
	for _, half := range []string{"in", "out"} {
		found := ciphersOf(server, half)
		if found.nonce.Size() == 0 || found.keys.Size() < 176 { // The keys of AES-128's eleven rounds.
			t.Errorf("%s: found %d and %d bytes", half, found.nonce.Size(), found.keys.Size())
		}
	}
	if none := ciphersOf(server, "neither"); none != (ciphers{}) {
		t.Errorf("found %v where there is nothing", none)
	}
}
