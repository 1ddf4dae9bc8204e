package server

import (
	"fmt"
	"io"
	"log/slog"
)

const redactedText = "[redacted]"

// Redacted holds secret bytes, behind a function so that nothing that walks
// over memory by reflection prints them. It shows "[redacted]" under every
// verb, in JSON and in logs.
type Redacted struct{ reveal func() []byte }

// Redact hides a secret. The bytes must not be changed afterwards.
func Redact(secret []byte) Redacted {
	if len(secret) == 0 {
		return Redacted{}
	}
	return Redacted{reveal: func() []byte { return secret }}
}

// Reveal returns the secret, nil when there is none. It must not be changed.
func (r Redacted) Reveal() []byte {
	if r.reveal == nil {
		return nil
	}
	return r.reveal()
}

// IsZero reports whether there is no secret.
func (r Redacted) IsZero() bool { return r.reveal == nil }

// String returns "[redacted]".
func (Redacted) String() string { return redactedText }

// GoString returns "[redacted]".
func (Redacted) GoString() string { return redactedText }

// Format writes "[redacted]" for every verb.
func (Redacted) Format(state fmt.State, _ rune) {
	// A printer's own failure has nowhere to go in this interface.
	_, _ = io.WriteString(state, redactedText)
}

// MarshalText returns "[redacted]".
func (Redacted) MarshalText() ([]byte, error) { return []byte(redactedText), nil }

// MarshalJSON returns "[redacted]" as a JSON string.
func (Redacted) MarshalJSON() ([]byte, error) { return []byte(`"` + redactedText + `"`), nil }

// LogValue returns "[redacted]".
func (Redacted) LogValue() slog.Value { return slog.StringValue(redactedText) }
