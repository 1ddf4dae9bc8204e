package kube

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"
)

func TestExpiry(t *testing.T) {
	token := func(payload string) string {
		return "e30." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".c2ln"
	}
	want := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	if end, ok := expiry(tokenUntil(want)); !ok || !end.Equal(want) {
		t.Errorf("it ends %s, %t", end, ok)
	}
	for name, text := range map[string]string{
		"nothing":      "",
		"no dots":      "token",
		"two parts":    "e30.e30",
		"four parts":   tokenUntil(want) + ".e30",
		"no base64":    "e30.$$$.c2ln",
		"no JSON":      token("exp"),
		"no object":    token("[1]"),
		"two objects":  token(`{"exp":1} {"exp":2}`),
		"no exp":       token(`{"iat":1}`),
		"a text":       token(`{"exp":"soon"}`),
		"a fraction":   token(`{"exp":1.5}`),
		"zero":         token(`{"exp":0}`),
		"before":       token(`{"exp":-1}`),
		"never":        token(`{"exp":99999999999999999999}`),
		"too far":      token(`{"exp":253402300800}`),
		"null":         token(`{"exp":null}`),
		"a huge token": "e30." + strings.Repeat("A", maxTokenBytes) + ".c2ln",
	} {
		if end, ok := expiry(text); ok || !end.IsZero() {
			t.Errorf("%s: it ends %s", name, end)
		}
	}
}

// FuzzExpiry reads what callers send, before anybody has verified it.
func FuzzExpiry(f *testing.F) {
	f.Add(tokenUntil(time.Unix(1_800_000_000, 0)))
	f.Add("a.b.c")
	f.Add("e30." + base64.RawURLEncoding.EncodeToString([]byte(`{"exp":1e9,"exp":{}}`)) + ".")
	f.Fuzz(func(t *testing.T, token string) {
		end, ok := expiry(token)
		if ok != !end.IsZero() {
			t.Errorf("ok %t, end %s", ok, end)
		}
		if ok && (end.Unix() <= 0 || end.Year() > 9999) {
			t.Errorf("it ends %s", end)
		}
		if again, _ := expiry(token); !again.Equal(end) {
			t.Error("it ends otherwise the second time")
		}
	})
}
