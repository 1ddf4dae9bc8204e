package certs

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"pgregory.net/rapid"
)

var cartRequest = TokenRequest{Namespace: "shop", ServiceAccount: "cart", Workload: "cart-1"}

// tokenPair is a signer and a verifier in one folder, with one clock.
func tokenPair(tb testing.TB, clock *clock) (*TokenSigner, *TokenVerifier) {
	tb.Helper()
	config := TokenConfig{Dir: dataFolder(tb), TrustDomain: testDomain, Clock: clock.Now}
	signer, err := NewTokenSigner(config)
	if err != nil {
		tb.Fatal(err)
	}
	verifier, err := NewTokenVerifier(config)
	if err != nil {
		tb.Fatal(err)
	}
	return signer, verifier
}

func mustSign(tb testing.TB, signer *TokenSigner, request TokenRequest) (Token, Claims) {
	tb.Helper()
	token, claims, err := signer.Sign(tb.Context(), request)
	if err != nil {
		tb.Fatal(err)
	}
	return token, claims
}

func TestTokenRoundTrip(t *testing.T) {
	clock := newClock()
	signer, verifier := tokenPair(t, clock)
	start := clock.Now()
	rapid.Check(t, func(rt *rapid.T) {
		clock.Advance(start.Sub(clock.Now()))
		id := drawIdentity(rt, testDomain)
		request := TokenRequest{
			Namespace: id.Namespace, ServiceAccount: id.ServiceAccount,
			Workload: rapid.StringMatching(domainPattern).Draw(rt, "workload"),
			TTL:      time.Duration(rapid.Int64Range(1, int64(MaxTokenTTL/time.Second)).Draw(rt, "ttl")) * time.Second,
		}
		token, signed := mustSign(t, signer, request)
		got, err := verifier.Verify(token)
		if err != nil || got != signed || got.Identity != id || got.Workload != request.Workload {
			rt.Fatalf("got %+v, %v; signed %+v", got, err, signed)
		}
		if !got.IssuedAt.Equal(start) || !got.ExpiresAt.Equal(start.Add(request.TTL)) {
			rt.Fatalf("from %s to %s", got.IssuedAt, got.ExpiresAt)
		}
		clock.Advance(request.TTL - 1)
		if _, err := verifier.Verify(token); err != nil {
			rt.Fatalf("a nanosecond before its end: %v", err)
		}
		clock.Advance(1)
		if _, err := verifier.Verify(token); !errors.Is(err, ErrTokenExpired) {
			rt.Fatalf("at its end: %v", err)
		}
		clock.Advance(start.Add(-tokenSkew - time.Second).Sub(clock.Now()))
		if _, err := verifier.Verify(token); !errors.Is(err, ErrTokenNotYetValid) {
			rt.Fatalf("before its beginning: %v", err)
		}
	})
}

func TestTokenOnTheWire(t *testing.T) {
	signer, _ := tokenPair(t, newClock())
	token, claims := mustSign(t, signer, cartRequest)
	parts := strings.Split(token.Reveal(), ".")
	if len(parts) != 3 {
		t.Fatalf("%d parts", len(parts))
	}
	header := decodePart(t, parts[0])
	if header["alg"] != "HS256" || header["typ"] != "JWT" || len(header) != 2 {
		t.Errorf("header %v", header)
	}
	want := map[string]any{
		"iss": "outrigger/cluster.local", "aud": "outrigger", "sub": "spiffe://cluster.local/ns/shop/sa/cart",
		"namespace": "shop", "service_account": "cart", "workload": "cart-1", "jti": claims.ID,
		"iat": float64(claims.IssuedAt.Unix()), "nbf": float64(claims.IssuedAt.Unix()), "exp": float64(claims.IssuedAt.Add(24 * time.Hour).Unix()),
	}
	got := decodePart(t, parts[1])
	for key, value := range want {
		if got[key] != value {
			t.Errorf("%s is %v, want %v", key, got[key], value)
		}
	}
	if len(got) != len(want) {
		t.Errorf("claims %v", got)
	}
}

func decodePart(t *testing.T, part string) map[string]any {
	t.Helper()
	data, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		t.Fatal(err)
	}
	var object map[string]any
	if err := json.Unmarshal(data, &object); err != nil {
		t.Fatal(err)
	}
	return object
}

func TestTokenRequestsThatAreRefused(t *testing.T) {
	signer, _ := tokenPair(t, newClock())
	for field, request := range map[string]TokenRequest{
		"namespace":       {Namespace: "Shop", ServiceAccount: "cart", Workload: "cart-1"},
		"service account": {Namespace: "shop", ServiceAccount: "", Workload: "cart-1"},
		"workload":        {Namespace: "shop", ServiceAccount: "cart", Workload: "a/b"},
		"ttl -1s":         {Namespace: "shop", ServiceAccount: "cart", Workload: "cart-1", TTL: -time.Second},
		"ttl 1ms":         {Namespace: "shop", ServiceAccount: "cart", Workload: "cart-1", TTL: time.Millisecond},
		"ttl 721h":        {Namespace: "shop", ServiceAccount: "cart", Workload: "cart-1", TTL: MaxTokenTTL + time.Hour},
	} {
		if _, _, err := signer.Sign(t.Context(), request); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%+v: error %v, want one about %s", request, err, field)
		}
	}
}

// forge signs any payload with the mesh's own key: what a verifier must
// refuse even when the signature is good.
func forge(t *testing.T, dir string, payload []byte) Token {
	t.Helper()
	key, _, err := loadTokenKey(TokenConfig{Dir: dir, TrustDomain: testDomain})
	if err != nil {
		t.Fatal(err)
	}
	return sealWith(t, tokenAlgorithm, key.Reveal(), payload)
}

func sealWith(t *testing.T, algorithm jose.SignatureAlgorithm, key any, payload []byte) Token {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return NewToken(text)
}

func TestVerifyRefusesClaims(t *testing.T) {
	clock := newClock()
	signer, verifier := tokenPair(t, clock)
	for _, test := range []struct {
		name   string
		change func(claims map[string]any)
		want   error
		say    string
	}{
		{"no issuer", func(c map[string]any) { delete(c, "iss") }, ErrTokenInvalid, "iss"},
		{"another mesh", func(c map[string]any) { c["iss"] = "outrigger/other.example" }, ErrTokenInvalid, "other.example"},
		{"no audience", func(c map[string]any) { delete(c, "aud") }, ErrTokenInvalid, "aud"},
		{"another audience", func(c map[string]any) { c["aud"] = "vault" }, ErrTokenInvalid, "vault"},
		{"several audiences", func(c map[string]any) { c["aud"] = []string{"vault", "outrigger"} }, ErrTokenInvalid, "claims"},
		{"no subject", func(c map[string]any) { delete(c, "sub") }, ErrTokenInvalid, "sub"},
		{"a subject of another", func(c map[string]any) { c["sub"] = "spiffe://cluster.local/ns/shop/sa/admin" }, ErrTokenInvalid, "admin"},
		{"no namespace", func(c map[string]any) { delete(c, "namespace") }, ErrTokenInvalid, "namespace"},
		{"no service account", func(c map[string]any) { delete(c, "service_account") }, ErrTokenInvalid, "service account"},
		{"no workload", func(c map[string]any) { delete(c, "workload") }, ErrTokenInvalid, "workload"},
		{"a workload that climbs", func(c map[string]any) { c["workload"] = "../x" }, ErrTokenInvalid, "workload"},
		{"no end", func(c map[string]any) { delete(c, "exp") }, ErrTokenInvalid, "exp"},
		{"an end of null", func(c map[string]any) { c["exp"] = nil }, ErrTokenInvalid, "exp"},
		{"no beginning", func(c map[string]any) { delete(c, "nbf") }, ErrTokenInvalid, "nbf"},
		{"no time of issue", func(c map[string]any) { delete(c, "iat") }, ErrTokenInvalid, "iat"},
		{"an end before the beginning", func(c map[string]any) { c["exp"] = c["iat"] }, ErrTokenInvalid, "lives"},
		{"too long a life", func(c map[string]any) { c["exp"] = clock.Now().Add(MaxTokenTTL + time.Hour).Unix() }, ErrTokenInvalid, "lives"},
		{"an end beyond all time", func(c map[string]any) { c["exp"] = int64(1) << 62 }, ErrTokenInvalid, "exp"},
		{"an end as text", func(c map[string]any) { c["exp"] = "tomorrow" }, ErrTokenInvalid, "claims"},
		{"a late beginning", func(c map[string]any) { c["nbf"] = clock.Now().Add(time.Hour).Unix() }, ErrTokenNotYetValid, "begins"},
		{"no id", func(c map[string]any) { delete(c, "jti") }, ErrTokenInvalid, "jti"},
		{"an unknown claim", func(c map[string]any) { c["admin"] = true }, ErrTokenInvalid, "claims"},
	} {
		t.Run(test.name, func(t *testing.T) {
			token, _ := mustSign(t, signer, cartRequest)
			claims := decodePart(t, strings.Split(token.Reveal(), ".")[1])
			claims["iat"], claims["nbf"], claims["exp"] = clock.Now().Unix(), clock.Now().Unix(), clock.Now().Add(time.Hour).Unix()
			test.change(claims)
			payload, err := json.Marshal(claims)
			if err != nil {
				t.Fatal(err)
			}
			forged := forge(t, verifier.config.Dir, payload)
			for range 2 { // What is remembered of a token is not that its signature is good.
				if _, err = verifier.Verify(forged); !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.say) {
					t.Fatalf("error %v, want %v saying %q", err, test.want, test.say)
				}
			}
		})
	}
}

func TestVerifyRefusesForms(t *testing.T) {
	clock := newClock()
	signer, verifier := tokenPair(t, clock)
	other, _ := tokenPair(t, clock)
	good, _ := mustSign(t, signer, cartRequest)
	parts := strings.Split(good.Reveal(), ".")
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	public, err := json.Marshal(jose.JSONWebKey{Key: ecKey.Public()})
	if err != nil {
		t.Fatal(err)
	}
	foreign, _ := mustSign(t, other, cartRequest)
	part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	flipped := []byte(parts[2])
	flipped[0] ^= 1
	for name, token := range map[string]Token{
		"nothing":                  {},
		"garbage":                  NewToken("garbage"),
		"dots":                     NewToken(".."),
		"binary":                   NewToken("\x00\xff.\x00.\x00"),
		"a cut token":              NewToken(good.Reveal()[:len(good.Reveal())-8]),
		"a token with a newline":   NewToken(good.Reveal() + "\n."),
		"another key's":            foreign,
		"a changed signature":      NewToken(parts[0] + "." + parts[1] + "." + string(flipped)),
		"no signature":             NewToken(parts[0] + "." + parts[1] + "."),
		"no payload":               NewToken(parts[0] + ".." + parts[2]),
		"alg none":                 NewToken(part(`{"alg":"none"}`) + "." + parts[1] + "."),
		"alg HS512":                sealWith(t, jose.HS512, bytes.Repeat(verifier.key.Reveal(), 2), payload),
		"alg ES256":                sealWith(t, jose.ES256, ecKey, payload),
		"alg RS256":                sealWith(t, jose.RS256, rsaKey, payload),
		"a key of its own":         NewToken(part(`{"alg":"HS256","jwk":`+string(public)+`}`) + "." + parts[1] + "." + parts[2]),
		"an unknown critical part": NewToken(part(`{"alg":"HS256","crit":["x"],"x":1}`) + "." + parts[1] + "." + parts[2]),
		"the JSON form":            NewToken(`{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`),
		"signed text":              forge(t, verifier.config.Dir, []byte("hello")),
		"signed null":              forge(t, verifier.config.Dir, []byte("null")),
		"two payloads":             forge(t, verifier.config.Dir, append(bytes.Clone(payload), payload...)),
		"too long":                 NewToken(strings.Repeat("a", maxTokenBytes+1)),
		"long and good":            forge(t, verifier.config.Dir, append(bytes.Clone(payload), bytes.Repeat([]byte(" "), maxTokenBytes)...)),
	} {
		claims, err := verifier.Verify(token)
		if !errors.Is(err, ErrTokenInvalid) || claims != (Claims{}) {
			t.Errorf("%s: %+v, error %v", name, claims, err)
		}
		if text := token.Reveal(); len(text) > 2 && strings.Contains(err.Error(), text) {
			t.Errorf("%s: the error quotes the token", name)
		}
	}
	if _, err := verifier.Verify(good); err != nil {
		t.Error(err)
	}
}

// The server and `outrigger token` come at once to a folder without a key.
func TestTokenKeyRace(t *testing.T) {
	config := TokenConfig{Dir: dataFolder(t), TrustDomain: testDomain}
	const processes = 16
	var wait sync.WaitGroup
	keys := make([][]byte, processes)
	for i := range processes {
		wait.Go(func() {
			key, _, err := loadTokenKey(config)
			if err != nil {
				t.Error(err)
				return
			}
			keys[i] = key.Reveal()
		})
	}
	wait.Wait()
	for i, key := range keys {
		if key == nil || !bytes.Equal(key, keys[0]) {
			t.Errorf("process %d has another key", i)
		}
	}
	if got := mode(t, filepath.Join(config.Dir, tokenKeyFile)); got != 0o600 {
		t.Errorf("the key has mode %04o", got)
	}
}

// Signing needs no lock: a server may hold the folder.
func TestTokensBesideAServer(t *testing.T) {
	dir := dataFolder(t)
	openAt(t, Config{Dir: dir})
	signer, err := NewTokenSigner(TokenConfig{Dir: dir, TrustDomain: testDomain})
	if err != nil {
		t.Fatal(err)
	}
	mustSign(t, signer, cartRequest)
}

func TestTokenKeyRefuses(t *testing.T) {
	good, err := newTokenKey()
	if err != nil {
		t.Fatal(err)
	}
	private, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := encodeKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name    string
		content []byte
		mode    fs.FileMode
		want    string
	}{
		{"half", good[:40], 0o600, "move it away"},
		{"empty", nil, 0o600, "move it away"},
		{"of another kind", ecKey, 0o600, "OUTRIGGER TOKEN KEY block of 32 bytes"},
		{"short", pem.EncodeToMemory(&pem.Block{Type: pemTokenKey, Bytes: make([]byte, tokenKeyLen-1)}), 0o600, "block of 32 bytes"},
		{"doubled", append(bytes.Clone(good), good...), 0o600, "behind"},
		{"readable", good, 0o644, "chmod 600"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			chmod(t, dir, 0o700)
			path := filepath.Join(dir, tokenKeyFile)
			write(t, path, test.content)
			chmod(t, path, test.mode)
			_, err := NewTokenVerifier(TokenConfig{Dir: dir, TrustDomain: testDomain})
			if err == nil || !strings.Contains(err.Error(), tokenKeyFile) || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("error %v", err)
			}
			if data, _ := os.ReadFile(path); !bytes.Equal(data, test.content) {
				t.Error("the file was changed")
			}
		})
	}
}

func FuzzVerifyToken(f *testing.F) {
	clock := newClock()
	signer, verifier := tokenPair(f, clock)
	good, _, err := signer.Sign(f.Context(), cartRequest)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good.Reveal())
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, text string) {
		claims, err := verifier.Verify(NewToken(text))
		if err == nil && text != good.Reveal() {
			t.Fatalf("a forged token was accepted: %q says %+v", text, claims)
		}
		if err != nil && !errors.Is(err, ErrTokenInvalid) {
			t.Fatalf("error %v", err)
		}
	})
}
