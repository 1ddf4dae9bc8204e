package certs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// Secrets of the tests: text that no other output holds, in the forms in
// which a printer could show it.
const keyText = "KEYKEYKEYKEY"

func leaks(output string) bool {
	for _, form := range []string{
		keyText, fmt.Sprintf("%x", keyText), fmt.Sprintf("%X", keyText),
		"75 69 89 75", "75,69,89,75", "0x4b, 0x45", "4b 45 59", "S0VZS0VZ", // Decimal, Go syntax, spaced hex, base64.
	} {
		if strings.Contains(output, form) {
			return true
		}
	}
	return false
}

// holder has a secret where fmt cannot call its methods.
type holder struct {
	key   PrivateKeyPEM
	token Token
	inner struct{ keys []PrivateKeyPEM }
}

func TestSecretsAreNeverPrinted(t *testing.T) {
	key, token := PrivateKeyPEM{hide([]byte(keyText))}, NewToken(keyText)
	held := holder{key: key, token: token}
	held.inner.keys = []PrivateKeyPEM{key}
	secret := Secret{Kind: KindLeaf, Key: key}
	values := map[string]any{
		"key": key, "pointer to a key": &key, "token": token, "pointer to a token": &token,
		"secret": secret, "pointer to a secret": &secret, "slice": []PrivateKeyPEM{key}, "map": map[string]Token{"a": token},
		"unexported fields": held, "pointer to unexported fields": &held, "error": fmt.Errorf("failed with %v and %s", key, token),
		"key of tokens": tokenKey{hide([]byte(keyText))}, "verifier": &TokenVerifier{key: tokenKey{hide([]byte(keyText))}},
	}
	for name, value := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%o", "%b", "%t", "%c", "%U", "%e", "%p", "%10.3s", "%T"} {
			if output := fmt.Sprintf(verb, value); leaks(output) {
				t.Errorf("%s by %s: %s", name, verb, output)
			}
		}
		if output := fmt.Sprint(value) + fmt.Sprintln(value); leaks(output) {
			t.Errorf("%s by Sprint: %s", name, output)
		}
		data, err := json.Marshal(value)
		if err != nil || leaks(string(data)) {
			t.Errorf("%s by json: %s, %v", name, data, err)
		}
		for kind, output := range logged(value) {
			if leaks(output) {
				t.Errorf("%s by slog %s: %s", name, kind, output)
			}
		}
	}
}

func logged(value any) map[string]string {
	outputs := map[string]string{}
	for kind, handler := range map[string]func(*bytes.Buffer) slog.Handler{
		"text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
		"json": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
	} {
		var buffer bytes.Buffer
		slog.New(handler(&buffer)).Info("secret", "value", value, slog.Group("group", "inner", value))
		outputs[kind] = buffer.String()
	}
	return outputs
}

func TestSecretsPrintAsRedacted(t *testing.T) {
	key, token := PrivateKeyPEM{hide([]byte(keyText))}, NewToken(keyText)
	for _, output := range []string{
		key.String(), token.String(), key.GoString(), fmt.Sprintf("%x", key), fmt.Sprintf("%#v", token), fmt.Sprint(errors.New(key.String())),
	} {
		if output != "[redacted]" {
			t.Errorf("got %q", output)
		}
	}
	if data, err := json.Marshal(map[string]any{"k": key, "t": token}); err != nil || string(data) != `{"k":"[redacted]","t":"[redacted]"}` {
		t.Errorf("json: %s, %v", data, err)
	}
	if text, err := token.MarshalText(); err != nil || string(text) != "[redacted]" {
		t.Errorf("text: %s, %v", text, err)
	}
	if string(key.Reveal()) != keyText || token.Reveal() != keyText {
		t.Error("the secret itself is lost")
	}
	if (PrivateKeyPEM{}).Reveal() != nil || (Token{}).Reveal() != "" || !(Token{}).IsZero() || token.IsZero() {
		t.Error("no secret is not empty")
	}
}
