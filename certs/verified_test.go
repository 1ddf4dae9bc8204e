package certs

import (
	"encoding/binary"
	"errors"
	"testing"
	"time"
)

// TestVerifyAgain: a token that was verified before is judged as one that was not, at any time.
func TestVerifyAgain(t *testing.T) {
	clock := newClock()
	signer, before := tokenPair(t, clock)
	token, signed := mustSign(t, signer, TokenRequest{Namespace: "shop", ServiceAccount: "cart", Workload: "cart-1", TTL: time.Hour})
	if claims, err := before.Verify(token); err != nil || claims != signed {
		t.Fatalf("got %+v, %v; signed %+v", claims, err, signed)
	}
	start := clock.Now()
	for offset, want := range map[time.Duration]error{
		-tokenSkew - time.Second: ErrTokenNotYetValid, -tokenSkew: nil, time.Minute: nil, time.Hour - 1: nil, time.Hour: ErrTokenExpired,
	} {
		clock.Advance(start.Add(offset).Sub(clock.Now()))
		never, err := NewTokenVerifier(before.config)
		if err != nil {
			t.Fatal(err)
		}
		for name, verifier := range map[string]*TokenVerifier{"before": before, "never": never} {
			claims, err := verifier.Verify(token)
			if !errors.Is(err, want) || (err == nil) != (claims == signed) {
				t.Errorf("%s after, verified %s: %+v, error %v, want %v", offset, name, claims, err, want)
			}
		}
	}
}

func TestMemoryForgetsWhatIsNotUsed(t *testing.T) {
	var m memory
	of := func(i int) (d digest) {
		binary.LittleEndian.PutUint64(d[:], uint64(i))
		return d
	}
	for i := range 3 * maxVerified {
		m.add(of(i), verified{claims: Claims{ID: "new"}})
		if v, ok := m.get(of(0)); !ok || v.claims.ID != "new" {
			t.Fatalf("a token that is used was forgotten after %d others", i)
		}
	}
	if n := len(m.younger) + len(m.older); n > 2*maxVerified {
		t.Errorf("%d tokens are kept", n)
	}
	if _, ok := m.get(of(1)); ok {
		t.Error("a token that was not used is kept for ever")
	}
	if _, ok := m.get(of(3*maxVerified - 1)); !ok {
		t.Error("the last token was forgotten")
	}
}

// BenchmarkVerify is a token that comes for the first time, and one that comes again.
func BenchmarkVerify(b *testing.B) {
	signer, verifier := tokenPair(b, newClock())
	token, _ := mustSign(b, signer, cartRequest)
	b.Run("first", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			verifier.known = memory{}
			if _, err := verifier.Verify(token); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("again", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := verifier.Verify(token); err != nil {
				b.Fatal(err)
			}
		}
	})
}
