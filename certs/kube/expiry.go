package kube

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
)

// maxTokenBytes is several times the size of a token that an API server makes.
const maxTokenBytes = 16 << 10

// latestExpiry is the last second that a time can be told of in four digits of a year.
const latestExpiry = 253402300799

// expiry returns when a token ends by its own words, unverified; false when it does not say.
func expiry(token string) (time.Time, bool) {
	if len(token) > maxTokenBytes {
		return time.Time{}, false
	}
	_, rest, _ := strings.Cut(token, ".")
	payload, signature, signed := strings.Cut(rest, ".")
	if !signed || strings.Contains(signature, ".") {
		return time.Time{}, false
	}
	text, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		return time.Time{}, false
	}
	return expiryOf(text)
}

// expiryOf reads the payload of a token.
func expiryOf(payload []byte) (time.Time, bool) {
	var claims struct {
		Expires json.Number `json:"exp"`
	}
	decoder := json.NewDecoder(bytes.NewReader(payload))
	if err := decoder.Decode(&claims); err != nil || decoder.More() {
		return time.Time{}, false
	}
	seconds, err := claims.Expires.Int64()
	if err != nil || seconds <= 0 || seconds > latestExpiry {
		return time.Time{}, false
	}
	return time.Unix(seconds, 0).UTC(), true
}
