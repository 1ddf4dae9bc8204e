package certs

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const (
	labelPattern  = `[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?`
	domainPattern = `[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?){0,3}`
)

func drawIdentity(t *rapid.T, trustDomain string) Identity {
	return Identity{
		TrustDomain:    trustDomain,
		Namespace:      rapid.StringMatching(labelPattern).Draw(t, "namespace"),
		ServiceAccount: rapid.StringMatching(domainPattern).Draw(t, "service account"),
	}
}

func TestIdentityRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawIdentity(t, rapid.StringMatching(domainPattern).Draw(t, "trust domain"))
		id, err := want.ID()
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseIdentity(id.String())
		if err != nil || got != want {
			t.Fatalf("got %+v, %v; want %+v", got, err, want)
		}
	})
}

func TestIdentityValidate(t *testing.T) {
	long := strings.Repeat("a", 64)
	for _, test := range []struct {
		name     string
		identity Identity
		field    string // Of the error; none when it is good.
	}{
		{"good", cart, ""},
		{"longest names", Identity{strings.Repeat("a.", 126) + "a", long[:63], strings.Repeat("a", 253)}, ""},
		{"dotted account", Identity{testDomain, "shop", "cart.v2"}, ""},
		{"no trust domain", Identity{"", "shop", "cart"}, "trust domain"},
		{"upper-case trust domain", Identity{"Cluster.local", "shop", "cart"}, "trust domain"},
		{"trust domain with a port", Identity{"cluster.local:80", "shop", "cart"}, "trust domain"},
		{"trust domain with a long part", Identity{long + ".local", "shop", "cart"}, "trust domain"},
		{"trust domain with an empty part", Identity{"cluster..local", "shop", "cart"}, "trust domain"},
		{"no namespace", Identity{testDomain, "", "cart"}, "namespace"},
		{"dotted namespace", Identity{testDomain, "shop.eu", "cart"}, "namespace"},
		{"long namespace", Identity{testDomain, long, "cart"}, "namespace"},
		{"namespace that climbs", Identity{testDomain, "..", "cart"}, "namespace"},
		{"account with a slash", Identity{testDomain, "shop", "a/b"}, "service account"},
		{"account with a line", Identity{testDomain, "shop", "a\nb"}, "service account"},
		{"account with a NUL", Identity{testDomain, "shop", "a\x00"}, "service account"},
		{"account beyond ASCII", Identity{testDomain, "shop", "caf\u00e9"}, "service account"},
		{"account with a dash at the end", Identity{testDomain, "shop", "a-"}, "service account"},
		{"long account", Identity{testDomain, "shop", strings.Repeat("a", 254)}, "service account"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := test.identity.ID()
			switch {
			case test.field == "" && err != nil:
				t.Fatal(err)
			case test.field != "" && (err == nil || !strings.HasPrefix(err.Error(), test.field+" ")):
				t.Fatalf("error %v, want one about %s", err, test.field)
			}
		})
	}
}

func TestParseIdentityRefuses(t *testing.T) {
	for _, text := range []string{
		"",
		"spiffe://cluster.local",
		"spiffe://cluster.local/",
		"spiffe://cluster.local/ns/shop",
		"spiffe://cluster.local/ns/shop/sa/",
		"spiffe://cluster.local/ns/shop/sa/cart/",
		"spiffe://cluster.local/ns/shop/sa/cart/x",
		"spiffe://cluster.local/sa/cart/ns/shop",
		"SPIFFE://cluster.local/ns/shop/sa/cart",
		"https://cluster.local/ns/shop/sa/cart",
		"spiffe://u@cluster.local/ns/shop/sa/cart",
		"spiffe://cluster.local/ns/sh%6fp/sa/cart",
		"spiffe://cluster.local/ns/shop/sa/cart?x",
		"spiffe://cluster.local/ns/shop/sa/" + strings.Repeat("a", 2048),
	} {
		if id, err := ParseIdentity(text); err == nil {
			t.Errorf("%q was read as %+v", text, id)
		}
	}
}

func FuzzParseIdentity(f *testing.F) {
	f.Add(cart.String())
	f.Add("spiffe://cluster.local/ns/shop/sa/cart.v2")
	f.Add("spiffe://a/ns/../sa/b")
	f.Fuzz(func(t *testing.T, text string) {
		id, err := ParseIdentity(text)
		if err != nil {
			return
		}
		if id.String() != text {
			t.Fatalf("%q was read as %q", text, id)
		}
		if spiffe, err := id.ID(); err != nil || spiffe.String() != text {
			t.Fatalf("go-spiffe reads %q as %q, %v", text, spiffe, err)
		}
	})
}
