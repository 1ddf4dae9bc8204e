package certs

import (
	"fmt"
	"io"
	"log/slog"
)

// redactedText is all that a secret ever prints.
const redactedText = "[redacted]"

// redacted holds a secret behind a function value, so that nothing that walks
// over memory by reflection (fmt on unexported fields, dump libraries) can
// print it, and answers every interface by which a value is printed.
type redacted[T any] struct {
	reveal func() T
}

func hide[T any](value T) redacted[T] {
	return redacted[T]{reveal: func() T { return value }}
}

// Reveal returns the secret itself, the zero value when there is none.
func (r redacted[T]) Reveal() T {
	if r.reveal == nil {
		var none T
		return none
	}
	return r.reveal()
}

// IsZero reports whether there is no secret.
func (r redacted[T]) IsZero() bool { return r.reveal == nil }

// String returns "[redacted]".
func (redacted[T]) String() string { return redactedText }

// GoString returns "[redacted]".
func (redacted[T]) GoString() string { return redactedText }

// Format writes "[redacted]" for every verb.
func (redacted[T]) Format(state fmt.State, _ rune) {
	// A printer's own failure has nowhere to go in this interface.
	_, _ = io.WriteString(state, redactedText)
}

// MarshalText returns "[redacted]".
func (redacted[T]) MarshalText() ([]byte, error) { return []byte(redactedText), nil }

// MarshalJSON returns "[redacted]" as a JSON string.
func (redacted[T]) MarshalJSON() ([]byte, error) { return []byte(`"` + redactedText + `"`), nil }

// LogValue returns "[redacted]".
func (redacted[T]) LogValue() slog.Value { return slog.StringValue(redactedText) }

// PrivateKeyPEM is a private key as PEM (PKCS #8). It prints as "[redacted]"
// everywhere; Reveal gives the bytes, which the caller must not change.
type PrivateKeyPEM struct{ redacted[[]byte] }

// NewPrivateKeyPEM holds a key that was received.
func NewPrivateKeyPEM(text []byte) PrivateKeyPEM { return PrivateKeyPEM{hide(text)} }

// Token is a signed join token. It prints as "[redacted]" everywhere; Reveal
// gives the text that goes behind "Bearer ".
type Token struct{ redacted[string] }

// NewToken holds text that was received as a token.
func NewToken(text string) Token { return Token{hide(text)} }
