package certs

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func pairOf(t *testing.T, issuer *Issuer) Pair {
	t.Helper()
	secret := leafOf(t, issuer, cart, "")
	return Pair{ChainPEM: secret.ChainPEM, Key: secret.Key, RootsPEM: issuer.Roots("").RootsPEM}
}

func TestWritePair(t *testing.T) {
	t.Parallel()
	issuer := NewIssuer(newAuthority(t, newClock()))
	dir := filepath.Join(t.TempDir(), "cart-1")
	var last Pair
	for range 4 {
		last = pairOf(t, issuer)
		if err := WritePair(dir, last); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string][]byte{CertificateFile: last.ChainPEM, KeyFile: last.Key.Reveal(), RootsFile: last.RootsPEM} {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %v, %d bytes, want %d", name, err, len(got), len(want))
		}
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v", name, info.Mode(), err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	folders := 0
	for _, e := range entries {
		if e.IsDir() {
			folders++
		}
	}
	if folders != 2 || len(entries) != 6 {
		t.Errorf("the folder holds %v", entries)
	}
}

// TestPairIsNeverMixed reads as file_watcher does, certificate then key, while pairs are written: what it reads
// through the one link is one pair.
func TestPairIsNeverMixed(t *testing.T) {
	t.Parallel()
	issuer := NewIssuer(newAuthority(t, newClock()))
	dir := t.TempDir()
	if err := WritePair(dir, pairOf(t, issuer)); err != nil {
		t.Fatal(err)
	}
	pairs := make([]Pair, 50)
	for i := range pairs {
		pairs[i] = pairOf(t, issuer)
	}
	var writer sync.WaitGroup
	written := make(chan struct{})
	writer.Go(func() {
		defer close(written)
		for _, p := range pairs {
			if err := WritePair(dir, p); err != nil {
				t.Error(err)
			}
		}
	})
	defer writer.Wait()
	for reads := 0; ; reads++ {
		select {
		case <-written:
			if reads == 0 {
				t.Error("nothing was read")
			}
			return
		default:
		}
		if err := readPair(dir); err != nil {
			t.Fatal(err)
		}
	}
}

// readPair reads both files of the folder that is current at one moment.
func readPair(dir string) error {
	current, err := os.Readlink(filepath.Join(dir, currentLink))
	if err != nil {
		return err
	}
	folder := filepath.Join(dir, current)
	chain, err := os.ReadFile(filepath.Join(folder, CertificateFile))
	if os.IsNotExist(err) {
		return nil // Two pairs were written since.
	}
	if err != nil {
		return err
	}
	key, err := os.ReadFile(filepath.Join(folder, KeyFile))
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := tls.X509KeyPair(chain, key); err != nil {
		return fmt.Errorf("a certificate with the key of another: %w", err)
	}
	return nil
}

func TestWritePairReplacesNothingOfOthers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, RootsFile), []byte("of others"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := WritePair(dir, pairOf(t, NewIssuer(newAuthority(t, newClock()))))
	if err == nil || !strings.Contains(err.Error(), "roots.pem is there and is no link") {
		t.Errorf("%v", err)
	}
}
