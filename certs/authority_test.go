package certs

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func mode(t *testing.T, path string) fs.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}

func TestOpenMakesAFolderThatIsPrivate(t *testing.T) {
	clock, dir := newClock(), dataFolder(t)
	authority := openAt(t, Config{Dir: dir, Clock: clock.Now})
	for path, want := range map[string]fs.FileMode{
		"": 0o700, authorityFile: 0o600, rootsFile: 0o644,
	} {
		if got := mode(t, filepath.Join(dir, path)); got != want {
			t.Errorf("%q has mode %04o, want %04o", path, got, want)
		}
	}
	root := authority.Bundle().Roots[0].Certificate
	checkSPIFFERoot(t, root, clock.Now())
	roots, trustDomain, err := ReadRoots(dir)
	if err != nil || trustDomain != testDomain || !bytes.Equal(roots, authority.Bundle().PEM) {
		t.Errorf("roots.pem: %q, %v", trustDomain, err)
	}
	if bytes.Contains(roots, []byte("PRIVATE")) {
		t.Error("roots.pem holds a key")
	}
}

func checkSPIFFERoot(t *testing.T, root *x509.Certificate, now time.Time) {
	t.Helper()
	if len(root.URIs) != 1 || root.URIs[0].String() != "spiffe://"+testDomain {
		t.Errorf("URIs %v", root.URIs)
	}
	if !root.IsCA || root.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign || len(root.ExtKeyUsage) != 0 {
		t.Errorf("CA %v, key usage %b, extended %v", root.IsCA, root.KeyUsage, root.ExtKeyUsage)
	}
	if want := now.Add(rootLife); !root.NotAfter.Equal(want) {
		t.Errorf("ends at %s, want %s", root.NotAfter, want)
	}
	if root.PublicKeyAlgorithm != x509.ECDSA || root.CheckSignatureFrom(root) != nil {
		t.Error("not a self-signed ECDSA certificate")
	}
}

func TestReopenKeepsTheAuthority(t *testing.T) {
	clock, dir := newClock(), dataFolder(t)
	first := openAt(t, Config{Dir: dir, Clock: clock.Now})
	before := mustStat(t, RootsPath(dir))
	second := openAt(t, Config{Dir: dir, Clock: clock.Now})
	if first.Bundle().Version != second.Bundle().Version {
		t.Error("another authority after a restart")
	}
	if first.RootsReplaced() || second.RootsReplaced() {
		t.Error("roots were replaced where nothing else stood")
	}
	if !os.SameFile(before, mustStat(t, RootsPath(dir))) {
		t.Error("roots.pem was written again with the same content")
	}
}

func mustStat(t *testing.T, path string) fs.FileInfo {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func TestRootsAreWrittenAgainWhenLost(t *testing.T) {
	dir := dataFolder(t)
	openAt(t, Config{Dir: dir})
	if err := os.WriteFile(RootsPath(dir), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	authority := openAt(t, Config{Dir: dir})
	if roots, _, err := ReadRoots(dir); err != nil || !bytes.Equal(roots, authority.Bundle().PEM) {
		t.Fatalf("roots.pem was not restored: %v", err)
	}
}

// TestAnotherAuthority: whoever loses the authority's file, or moves it away, is told what follows from it.
func TestAnotherAuthority(t *testing.T) {
	dir := dataFolder(t)
	first := openAt(t, Config{Dir: dir})
	if err := os.Remove(filepath.Join(dir, authorityFile)); err != nil {
		t.Fatal(err)
	}
	if second := openAt(t, Config{Dir: dir}); !second.RootsReplaced() || second.Bundle().Version == first.Bundle().Version {
		t.Error("another authority began, and nobody is told")
	}
	if third := openAt(t, Config{Dir: dir}); third.RootsReplaced() {
		t.Error("it is told twice")
	}
}

// However many servers start at once in a new folder, all have the authority of the one
// that was first, and what one of them signs, all of them keep.
func TestServersThatStartAtOnce(t *testing.T) {
	for range 20 {
		dir, clock := dataFolder(t), newClock()
		var opening sync.WaitGroup
		opened := make([]*Authority, 8)
		for i := range opened {
			opening.Go(func() {
				var err error
				if opened[i], err = Open(Config{Dir: dir, TrustDomain: testDomain, Clock: clock.Now}); err != nil {
					t.Error(err)
				}
			})
		}
		opening.Wait()
		if t.Failed() {
			return
		}
		version := leafOf(t, NewIssuer(opened[0]), cart, "").Version
		for _, other := range opened[1:] {
			if other.Bundle().Version != opened[0].Bundle().Version {
				t.Fatal("two servers of one folder have two authorities")
			}
			if got := leafOf(t, NewIssuer(other), cart, version); !got.Keep || got.Version != version {
				t.Fatalf("a leaf of one server is not kept by another: %+v", got)
			}
		}
		if roots, _, err := ReadRoots(dir); err != nil || !bytes.Equal(roots, opened[0].Bundle().PEM) {
			t.Fatalf("roots.pem is not that of the authority: %v", err)
		}
	}
}

// A server that died while it made the authority leaves what is in nobody's way.
func TestCrashWhileTheAuthorityIsMade(t *testing.T) {
	dir := dataFolder(t)
	if err := openFolder(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := writeTemp(dir, []byte("-----BEGIN PRIVATE KEY-----\nhalf"), 0o600); err != nil {
		t.Fatal(err)
	}
	first, second := openAt(t, Config{Dir: dir}), openAt(t, Config{Dir: dir})
	if first.Bundle().Version != second.Bundle().Version {
		t.Error("two servers of one folder have two authorities")
	}
}

// A file that appears between the look and the write is never overwritten.
func TestCreateFileNeverOverwrites(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	const writers = 16
	var wait sync.WaitGroup
	results := make([][]byte, writers)
	for i := range writers {
		wait.Go(func() {
			data, err := loadOrCreate(path, func() ([]byte, error) { return fmt.Appendf(nil, "key %d", i), nil })
			if err != nil {
				t.Error(err)
			}
			results[i] = data
		})
	}
	wait.Wait()
	for i, data := range results {
		if len(data) == 0 || !bytes.Equal(data, results[0]) {
			t.Errorf("writer %d has %q, writer 0 has %q", i, data, results[0])
		}
	}
	if err := createFile(path, []byte("other")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("error %v, want ErrExist", err)
	}
	if names, _ := filepath.Glob(filepath.Join(filepath.Dir(path), tempPattern)); len(names) != 0 {
		t.Errorf("left over: %v", names)
	}
}

func TestLeftoversOfACrash(t *testing.T) {
	clock, dir := newClock(), dataFolder(t)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	// A crash came while the authority was being written: half of it is in a temporary file.
	old, young := filepath.Join(dir, tempPrefix+"1"), filepath.Join(dir, tempPrefix+"2")
	for path, age := range map[string]time.Duration{old: 2 * time.Hour, young: time.Second} {
		if err := os.WriteFile(path, []byte("-----BEGIN PRIV"), 0o600); err != nil {
			t.Fatal(err)
		}
		written := clock.Now().Add(-age)
		if err := os.Chtimes(path, written, written); err != nil {
			t.Fatal(err)
		}
	}
	openAt(t, Config{Dir: dir, Clock: clock.Now})
	if _, err := os.Stat(old); !errors.Is(err, fs.ErrNotExist) {
		t.Error("an old leftover was not removed")
	}
	if _, err := os.Stat(young); err != nil {
		t.Errorf("a file that somebody may be writing was removed: %v", err)
	}
}

// spoiled is a data folder that was good once.
type spoiled struct {
	name string
	// spoil changes the folder; path is that of authority.pem, good what stands in it.
	spoil func(path string, good []byte) error
	want  []string
}

func TestOpenRefusesContent(t *testing.T) {
	foreign, err := newRootPEM(testDomain, newClock().Now())
	if err != nil {
		t.Fatal(err)
	}
	other, err := newRootPEM("other.example", newClock().Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name    string
		content func(good []byte) []byte
		want    []string
	}{
		{"half of it", func(good []byte) []byte { return good[:len(good)/2] }, []string{"CERTIFICATE", "move it away"}},
		{"nothing", func([]byte) []byte { return nil }, []string{"PRIVATE KEY", "move it away"}},
		{"a key without its certificate", firstBlock, []string{"no whole CERTIFICATE"}},
		{"another's certificate", func(good []byte) []byte {
			return append(firstBlock(good), foreign[len(firstBlock(foreign)):]...)
		}, []string{"does not belong"}},
		{"another trust domain", func([]byte) []byte { return other }, []string{"other.example", testDomain}},
		{"something behind it", func(good []byte) []byte { return append(good, good...) }, []string{"behind"}},
		{"no key at all", func([]byte) []byte { return []byte("hello") }, []string{"PRIVATE KEY"}},
		{"too much", func([]byte) []byte { return make([]byte, maxFileSize+1) }, []string{"no key file"}},
	} {
		spoiled{
			name:  test.name,
			spoil: func(path string, good []byte) error { return os.WriteFile(path, test.content(good), 0o600) },
			want:  append(test.want, authorityFile),
		}.run(t)
	}
}

func TestOpenRefusesFiles(t *testing.T) {
	for _, test := range []spoiled{
		{
			"a key that the group can read", func(path string, _ []byte) error { return os.Chmod(path, 0o640) },
			[]string{authorityFile, "0640", "chmod 600"},
		},
		{
			"a key that all can read", func(path string, _ []byte) error { return os.Chmod(path, 0o604) },
			[]string{authorityFile, "0604", "chmod 600"},
		},
		{
			"a folder that others can write", func(path string, _ []byte) error { return os.Chmod(filepath.Dir(path), 0o777) },
			[]string{"data folder", "0777", "chmod 700"},
		},
		{"a folder in place of the file", func(path string, _ []byte) error {
			return errors.Join(os.Remove(path), os.Mkdir(path, 0o700))
		}, []string{authorityFile, "not a regular file"}},
	} {
		test.run(t)
	}
}

// run spoils a new folder and expects that it is not opened.
func (s spoiled) run(t *testing.T) {
	t.Helper()
	t.Run(s.name, func(t *testing.T) {
		clock, dir := newClock(), dataFolder(t)
		openAt(t, Config{Dir: dir, Clock: clock.Now})
		path := filepath.Join(dir, authorityFile)
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.spoil(path, good); err != nil {
			t.Fatal(err)
		}
		_, err = Open(Config{Dir: dir, TrustDomain: testDomain, Clock: clock.Now})
		if err == nil {
			t.Fatal("it was opened")
		}
		for _, want := range s.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("error %q does not say %q", err, want)
			}
		}
	})
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func chmod(t *testing.T, path string, mode fs.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func firstBlock(data []byte) []byte {
	_, rest := pem.Decode(data)
	return bytes.Clone(data[:len(data)-len(rest)])
}

func TestOpenRefusesWhatHasEnded(t *testing.T) {
	clock, dir := newClock(), dataFolder(t)
	openAt(t, Config{Dir: dir, Clock: clock.Now})
	for _, test := range []struct {
		shift time.Duration
		want  string
	}{{rootLife, "ended at"}, {-rootLife - time.Hour, "check the clock"}} {
		clock.Advance(test.shift)
		_, err := Open(Config{Dir: dir, TrustDomain: testDomain, Clock: clock.Now})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("error %v, want %q", err, test.want)
		}
	}
}

func TestConfigRefuses(t *testing.T) {
	dir := dataFolder(t)
	for _, test := range []struct {
		config Config
		want   string
	}{
		{Config{TrustDomain: testDomain}, "data folder"},
		{Config{Dir: dir}, "trust domain"},
		{Config{Dir: dir, TrustDomain: "A"}, "trust domain"},
		{Config{Dir: dir, TrustDomain: testDomain, LeafTTL: time.Second}, "leaf ttl"},
		{Config{Dir: dir, TrustDomain: testDomain, LeafTTL: 31 * 24 * time.Hour}, "leaf ttl"},
		{Config{Dir: dir, TrustDomain: testDomain, LeafTTL: 10*time.Second + time.Millisecond}, "leaf ttl"},
	} {
		if _, err := Open(test.config); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: error %v, want %q", test.config, err, test.want)
		}
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a refused configuration made the folder")
	}
}

func TestOwnedBy(t *testing.T) {
	for _, test := range []struct {
		owner, user int
		good        bool
	}{{1000, 1000, true}, {0, 1000, true}, {1000, 0, true}, {1001, 1000, false}} {
		if err := ownedBy("key", test.owner, test.user); (err == nil) != test.good {
			t.Errorf("owner %d, user %d: %v", test.owner, test.user, err)
		}
	}
}

func TestReadRootsRefuses(t *testing.T) {
	dir := t.TempDir()
	if _, _, err := ReadRoots(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want ErrNotExist", err)
	}
	one, err := newRootPEM(testDomain, newClock().Now())
	if err != nil {
		t.Fatal(err)
	}
	two, err := newRootPEM("other.example", newClock().Now())
	if err != nil {
		t.Fatal(err)
	}
	certOf := func(data []byte) []byte { return data[len(firstBlock(data)):] }
	for name, content := range map[string][]byte{
		"empty": nil, "garbage": []byte("x"), "a key": one, "two trust domains": append(certOf(one), certOf(two)...),
	} {
		write(t, RootsPath(dir), content)
		if _, _, err := ReadRoots(dir); err == nil || !strings.Contains(err.Error(), RootsPath(dir)) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}
