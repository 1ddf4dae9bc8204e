package certs

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestWriteTokenReplaces(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte("old, and open to all"), 0o644); err != nil {
		t.Fatal(err)
	}
	old := mustStat(t, path)
	if err := WriteToken(path, NewToken("new")); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil || string(data) != "new" {
		t.Errorf("content %q, %v", data, err)
	}
	if got := mode(t, path); got != 0o600 {
		t.Errorf("mode %04o", got)
	}
	if os.SameFile(old, mustStat(t, path)) {
		t.Error("it was written in place: a reader could see half of it")
	}
	if names, _ := filepath.Glob(filepath.Join(filepath.Dir(path), tempPattern)); len(names) != 0 {
		t.Errorf("left over: %v", names)
	}
}

func TestWriteTokenRefuses(t *testing.T) {
	dir := t.TempDir()
	for name, test := range map[string]struct {
		path  string
		token Token
	}{
		"no token":                      {filepath.Join(dir, "token"), Token{}},
		"an empty":                      {filepath.Join(dir, "token"), NewToken("")},
		"a folder":                      {dir, NewToken("x")},
		"no folder":                     {filepath.Join(dir, "none", "token"), NewToken("x")},
		"a file in place of the folder": {filepath.Join(os.Args[0], "token"), NewToken("x")},
	} {
		if err := WriteToken(test.path, test.token); err == nil || !strings.Contains(err.Error(), test.path) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// renewal runs a renewer in a bubble, where time passes at once, until stop.
type renewal struct {
	path   string
	log    *renewalLog
	result chan error
	stop   context.CancelFunc
}

// renewalLog may be read while it is written.
type renewalLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *renewalLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *renewalLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func startRenewal(t *testing.T, dir, path string, ttl time.Duration) (*renewal, *TokenVerifier) {
	t.Helper()
	config := TokenConfig{Dir: dir, TrustDomain: testDomain}
	signer, err := NewTokenSigner(config)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := NewTokenVerifier(config)
	if err != nil {
		t.Fatal(err)
	}
	request := cartRequest
	request.TTL = ttl
	ctx, stop := context.WithCancel(t.Context())
	run := &renewal{path: path, log: &renewalLog{}, result: make(chan error, 1), stop: stop}
	renewer := &Renewer{Signer: signer, Request: request, Path: path, Logger: slog.New(slog.NewTextHandler(run.log, nil))}
	go func() { run.result <- renewer.Renew(ctx) }()
	return run, verifier
}

func (r *renewal) claims(t *testing.T, verifier *TokenVerifier) Claims {
	t.Helper()
	text, err := os.ReadFile(r.path)
	if err != nil {
		t.Fatal(err)
	}
	claims, err := verifier.Verify(NewToken(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return claims
}

// pass lets time pass until everything that is due has been done.
func pass(t *testing.T, d time.Duration) {
	t.Helper()
	timer := time.NewTimer(d)
	<-timer.C
	synctest.Wait()
}

func TestRenewAtHalfLife(t *testing.T) {
	dir, path := dataFolder(t), filepath.Join(t.TempDir(), "token")
	synctest.Test(t, func(t *testing.T) {
		run, verifier := startRenewal(t, dir, path, time.Hour)
		synctest.Wait()
		first := run.claims(t, verifier)
		pass(t, 30*time.Minute-time.Second)
		if early := run.claims(t, verifier); early != first {
			t.Error("renewed before half of its life")
		}
		pass(t, time.Second)
		second := run.claims(t, verifier)
		if second.ID == first.ID || second.ExpiresAt.Sub(first.ExpiresAt) != 30*time.Minute {
			t.Errorf("after half of its life: %+v, before %+v", second, first)
		}
		pass(t, 24*time.Hour)
		if later := run.claims(t, verifier); time.Until(later.ExpiresAt) < 29*time.Minute {
			t.Errorf("after a day the file has %s left", time.Until(later.ExpiresAt))
		}
		run.stop()
		if err := <-run.result; err != nil {
			t.Error(err)
		}
		if text, _ := os.ReadFile(path); strings.Contains(run.log.String(), string(text)) || strings.Contains(run.log.String(), "eyJ") {
			t.Error("the log holds a token")
		}
		if wrote := strings.Count(run.log.String(), "wrote join token"); wrote != 50 {
			t.Errorf("%d tokens written, want 50:\n%s", wrote, run.log)
		}
	})
}

func TestRenewTriesAgain(t *testing.T) {
	dir, folder := dataFolder(t), filepath.Join(t.TempDir(), "out")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		run, verifier := startRenewal(t, dir, filepath.Join(folder, "token"), time.Hour)
		synctest.Wait()
		away := folder + "-away"
		if err := os.Rename(folder, away); err != nil {
			t.Fatal(err)
		}
		pass(t, 31*time.Minute)
		failures := strings.Count(run.log.String(), "renew join token")
		if failures < 3 || failures > 8 {
			t.Errorf("%d failures in a minute, want a few, further and further apart:\n%s", failures, run.log)
		}
		if err := os.Rename(away, folder); err != nil {
			t.Fatal(err)
		}
		pass(t, 2*maxBackoff)
		if claims := run.claims(t, verifier); time.Since(claims.IssuedAt) > 2*maxBackoff {
			t.Errorf("not renewed once the folder was back: %+v", claims)
		}
		run.stop()
		if err := <-run.result; err != nil {
			t.Error(err)
		}
	})
}

func TestRenewRefusesAtOnce(t *testing.T) {
	dir, path := dataFolder(t), filepath.Join(t.TempDir(), "none", "token")
	synctest.Test(t, func(t *testing.T) {
		run, _ := startRenewal(t, dir, path, time.Hour)
		defer run.stop()
		if err := <-run.result; err == nil || !errors.Is(err, os.ErrNotExist) {
			t.Errorf("error %v", err)
		}
	})
}
