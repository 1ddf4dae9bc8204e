package consul

import (
	"fmt"
	"io"
	"log/slog"
)

// redactedText is all that a token ever prints.
const redactedText = "[redacted]"

// token is a secret of Consul's access rules. The text stands behind a function value, so that nothing
// that walks over memory by reflection prints it.
type token struct {
	reveal func() string
}

func newToken(text string) token { return token{reveal: func() string { return text }} }

// Reveal returns the text, empty when there is none.
func (t token) Reveal() string {
	if t.reveal == nil {
		return ""
	}
	return t.reveal()
}

// String returns "[redacted]".
func (token) String() string { return redactedText }

// GoString returns "[redacted]".
func (token) GoString() string { return redactedText }

// Format writes "[redacted]" for every verb.
func (token) Format(state fmt.State, _ rune) {
	// A printer's own failure has nowhere to go in this interface.
	_, _ = io.WriteString(state, redactedText)
}

// MarshalText returns "[redacted]".
func (token) MarshalText() ([]byte, error) { return []byte(redactedText), nil }

// LogValue returns "[redacted]".
func (token) LogValue() slog.Value { return slog.StringValue(redactedText) }
