package replica

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func take(t *testing.T, dataDir, name string) *Held {
	t.Helper()
	place, err := PlaceOf(dataDir, name)
	if err != nil {
		t.Fatal(err)
	}
	held, err := place.Take()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = held.Close() })
	return held
}

func TestPlacesOfOneFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	main, other := take(t, dir, Main), take(t, dir, "b")
	if main.Dir != dir || other.Dir != filepath.Join(dir, "replicas", "b") {
		t.Errorf("places %s and %s", main.Dir, other.Dir)
	}
	if err := os.MkdirAll(filepath.Join(dir, "replicas", "not a place"), 0o700); err != nil {
		t.Fatal(err)
	}
	if places, err := Places(dir); err != nil || len(places) != 2 || places[0] != main.Place || places[1] != other.Place {
		t.Errorf("places %v, %v", places, err)
	}
	for _, held := range []*Held{main, other} {
		_, err := held.Take()
		if !errors.Is(err, ErrHeld) || !strings.Contains(err.Error(), fmt.Sprintf("process %d on ", os.Getpid())) {
			t.Errorf("a place was taken twice: %v", err)
		}
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	take(t, dir, "b")
}

func TestNamesOfPlaces(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", ".", "..", "../b", "a/b", "A", "-a", "a-", "a b", strings.Repeat("a", 64), "a\x00"} {
		if place, err := PlaceOf("/data", bad); err == nil {
			t.Errorf("%q is a name, of %s", bad, place.Dir)
		}
	}
	for _, good := range []string{"b", "outrigger-7d4b9c-x2x8p", "10.0.0.1", "0"} {
		if _, err := PlaceOf("/data", good); err != nil {
			t.Error(err)
		}
	}
}

// TestVerdict: what a place says of its server when nobody listens there.
func TestVerdict(t *testing.T) {
	t.Parallel()
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		noted, state, why string
	}{
		"it stopped":                 {"", stateStopped, ""},
		"it crashed":                 {"123 " + host, StateEnded, "process 123 ended without stopping"},
		"it runs on another machine": {"123 far", StateAway, "process 123 runs on far: give this server --peer HOST:PORT of it"},
		"nonsense":                   {"what", stateStopped, ""},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, lockFile), []byte(test.noted), 0o600); err != nil {
			t.Fatal(err)
		}
		if state, why := (Place{Name: "b", Dir: dir}).verdict(); state != test.state || !strings.Contains(why, test.why) {
			t.Errorf("%s: %s, %s", name, state, why)
		}
	}
}
