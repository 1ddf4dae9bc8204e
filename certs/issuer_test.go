package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func leafOf(t rapid.TB, issuer *Issuer, id Identity, have string) Secret {
	secret, err := issuer.Leaf(context.Background(), id, have)
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

func TestLeafIsAPair(t *testing.T) {
	clock := newClock()
	authority := newAuthority(t, clock)
	secret := leafOf(t, NewIssuer(authority), cart, "")
	pair, err := tls.X509KeyPair(secret.ChainPEM, secret.Key.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	if err := verifyAt(pair.Leaf, authority, clock.Now(), x509.ExtKeyUsageClientAuth); err != nil {
		t.Error(err)
	}
	if secret.Kind != KindLeaf || secret.Name != NameIdentity || secret.Keep || len(secret.RootsPEM) != 0 {
		t.Errorf("secret %+v", secret)
	}
	if !secret.NotAfter.Equal(pair.Leaf.NotAfter) {
		t.Errorf("ends at %s, the certificate at %s", secret.NotAfter, pair.Leaf.NotAfter)
	}
	if !strings.HasPrefix(secret.Version, cart.String()+";"+authority.Bundle().Roots[0].ID+";p256;") {
		t.Errorf("version %q", secret.Version)
	}
}

// A proxy keeps its leaf exactly until the moment that it was told, and what
// it is told when it keeps it is what it was told first.
func TestLeafIsKeptUntilItIsDue(t *testing.T) {
	clock := newClock()
	authority := newAuthority(t, clock)
	issuer := NewIssuer(authority)
	start := clock.Now()
	rapid.Check(t, func(t *rapid.T) {
		clock.Advance(start.Sub(clock.Now()))
		id := drawIdentity(t, testDomain)
		first := leafOf(t, issuer, id, "")
		for _, left := range []time.Duration{first.RenewAt.Sub(start), time.Hour, time.Nanosecond} {
			clock.Advance(first.RenewAt.Add(-left).Sub(clock.Now()))
			kept := leafOf(t, issuer, id, first.Version)
			if !kept.Keep || kept.Version != first.Version || !kept.RenewAt.Equal(first.RenewAt) || !kept.NotAfter.Equal(first.NotAfter) {
				t.Fatalf("%s before renewal: %+v, first %+v", left, kept, first)
			}
			if kept.ChainPEM != nil || !kept.Key.IsZero() {
				t.Fatal("kept, but with a body")
			}
		}
		clock.Advance(first.RenewAt.Sub(clock.Now()))
		if next := leafOf(t, issuer, id, first.Version); next.Keep || next.Version == first.Version || next.Key.IsZero() {
			t.Fatalf("due, and got %+v", next)
		}
	})
}

func TestKeepingCostsNoSignature(t *testing.T) {
	authority := newAuthority(t, newClock())
	issuer := NewIssuer(authority)
	version := leafOf(t, issuer, cart, "").Version
	for range 100 {
		leafOf(t, issuer, cart, version)
	}
	if authority.Signed() != 1 {
		t.Errorf("%d signed, want 1", authority.Signed())
	}
}

func TestLeafIsNotKept(t *testing.T) {
	clock := newClock()
	authority, foreign := newAuthority(t, clock), newAuthority(t, clock)
	issuer := NewIssuer(authority)
	good := leafOf(t, issuer, cart, "").Version
	parsed, err := parseLeafVersion(good)
	if err != nil {
		t.Fatal(err)
	}
	with := func(change func(*leafVersion)) string {
		v := parsed
		change(&v)
		return v.String()
	}
	for name, version := range map[string]string{
		"nothing":                "",
		"garbage":                "\x00;;;;",
		"another identity's":     leafOf(t, issuer, Identity{testDomain, "shop", "web"}, "").Version,
		"another trust domain's": with(func(v *leafVersion) { v.identity.TrustDomain = "other.example" }),
		"another authority's":    leafOf(t, NewIssuer(foreign), cart, "").Version,
		"another algorithm":      with(func(v *leafVersion) { v.algorithm = "p384" }),
		"ended":                  with(func(v *leafVersion) { v.notAfter = clock.Now() }),
		"due":                    with(func(v *leafVersion) { v.notAfter = clock.Now().Add(12 * time.Hour) }),
		"longer than any":        with(func(v *leafVersion) { v.notAfter = clock.Now().Add(25 * time.Hour) }),
		"endless":                with(func(v *leafVersion) { v.notAfter = time.Unix(maxUnix, 0) }),
		"with a tail":            good + ";",
		"with a space":           " " + good,
		"huge":                   good + strings.Repeat("0", 1<<20),
	} {
		if got := leafOf(t, issuer, cart, version); got.Keep || got.Key.IsZero() {
			t.Errorf("%s: kept %+v", name, got)
		}
	}
	if !leafOf(t, issuer, cart, good).Keep {
		t.Error("the good one was not kept")
	}
}

// Shorter lives, once set, reach proxies that reconnect with longer ones.
func TestLeafOfALongerSettingIsReplaced(t *testing.T) {
	clock, dir := newClock(), dataFolder(t)
	long := openAt(t, Config{Dir: dir, Clock: clock.Now})
	version := leafOf(t, NewIssuer(long), cart, "").Version
	short := openAt(t, Config{Dir: dir, Clock: clock.Now, LeafTTL: time.Hour})
	if got := leafOf(t, NewIssuer(short), cart, version); got.Keep || !got.NotAfter.Equal(clock.Now().Add(time.Hour)) {
		t.Errorf("got %+v", got)
	}
}

// The shortest lives are renewed in time too: the minute before a leaf's
// beginning is not part of its life.
func TestShortLeaves(t *testing.T) {
	clock := newClock()
	authority := openAt(t, Config{Dir: dataFolder(t), Clock: clock.Now, LeafTTL: minLeafTTL})
	secret := leafOf(t, NewIssuer(authority), cart, "")
	if wait := secret.RenewAt.Sub(clock.Now()); wait < 2*time.Second || wait > 4*time.Second {
		t.Errorf("renewed after %s", wait)
	}
}

// In the last day of the authority a new leaf would end no later: no storm of
// signatures that gain nothing.
func TestLeafThatEndsWithTheAuthorityIsKept(t *testing.T) {
	clock := newClock()
	authority := newAuthority(t, clock)
	end := authority.Bundle().NotAfter()
	clock.Advance(end.Sub(clock.Now()) - 10*time.Hour)
	issuer := NewIssuer(authority)
	first := leafOf(t, issuer, cart, "")
	if !first.RenewAt.Equal(end) {
		t.Errorf("renewed at %s, want %s", first.RenewAt, end)
	}
	clock.Advance(9 * time.Hour)
	if kept := leafOf(t, issuer, cart, first.Version); !kept.Keep || !kept.RenewAt.Equal(end) {
		t.Errorf("got %+v", kept)
	}
}

func TestRootsAreKeptByVersion(t *testing.T) {
	authority := newAuthority(t, newClock())
	issuer := NewIssuer(authority)
	first := issuer.Roots("")
	if first.Kind != KindRoots || first.Name != NameRoots || first.Keep || string(first.RootsPEM) != string(authority.Bundle().PEM) {
		t.Errorf("first %+v", first)
	}
	if kept := issuer.Roots(first.Version); !kept.Keep || kept.RootsPEM != nil || kept.Version != first.Version {
		t.Errorf("kept %+v", kept)
	}
	if other := NewIssuer(newAuthority(t, newClock())).Roots(first.Version); other.Keep {
		t.Error("roots of another authority were kept")
	}
}

func FuzzParseLeafVersion(f *testing.F) {
	v := leafVersion{
		identity: cart, authority: strings.Repeat("a", authorityIDLen), algorithm: keyAlgorithm,
		notAfter: newClock().Now(), serial: strings.Repeat("0", serialLen),
	}
	f.Add(v.String())
	f.Add(";;;;")
	f.Add(strings.Replace(v.String(), ";p256;", ";p256;-", 1))
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseLeafVersion(text)
		if err == nil && got.String() != text {
			t.Fatalf("%q was read as %q", text, got)
		}
		if err == nil && len(text) > maxVersion {
			t.Fatalf("%d bytes were read", len(text))
		}
	})
}
