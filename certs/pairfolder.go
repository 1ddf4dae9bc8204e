package certs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Files of a folder that WritePair keeps.
const (
	CertificateFile = "certificate.pem"
	KeyFile         = "key.pem"
	RootsFile       = "roots.pem"

	// currentLink leads to the folder that holds the three files of one moment.
	currentLink = "current"
	pairPrefix  = ".outrigger-pair-"
)

// Pair is what a program shows of itself and verifies others with.
type Pair struct {
	ChainPEM []byte
	Key      PrivateKeyPEM
	RootsPEM []byte
}

// WritePair puts a pair into a folder, which is made with mode 0700 when missing: the files certificate.pem, key.pem and
// roots.pem, of mode 0600. Readers see the old three or the new: the files are links through one other
// link, which is moved at once, as Kubernetes does with its volumes. What stood before the last is removed.
func WritePair(dir string, pair Pair) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("folder of the certificate: %w", err)
	}
	if err := writePair(dir, pair); err != nil {
		return fmt.Errorf("folder of the certificate %s: %w", dir, err)
	}
	return nil
}

func writePair(dir string, pair Pair) error {
	for _, name := range []string{currentLink, CertificateFile, KeyFile, RootsFile} {
		if err := checkLink(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	next, err := writeFolder(dir, pair)
	if err != nil {
		return err
	}
	before, _ := os.Readlink(filepath.Join(dir, currentLink)) // There is none at first.
	if err := replaceLink(dir, currentLink, filepath.Base(next)); err != nil {
		return err
	}
	for _, name := range []string{CertificateFile, KeyFile, RootsFile} {
		if err := ensureLink(dir, name, filepath.Join(currentLink, name)); err != nil {
			return err
		}
	}
	return errors.Join(syncDir(dir), sweepPairs(dir, before, filepath.Base(next)))
}

// checkLink refuses to replace what somebody else put there.
func checkLink(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode()&fs.ModeSymlink == 0:
		return fmt.Errorf("%s is there and is no link; name a folder of its own", filepath.Base(path))
	}
	return nil
}

// writeFolder writes the files into a new folder within dir, down to the disk.
func writeFolder(dir string, pair Pair) (string, error) {
	next, err := os.MkdirTemp(dir, pairPrefix+"*") // Its mode is 0700.
	if err != nil {
		return "", err
	}
	for name, text := range map[string][]byte{CertificateFile: pair.ChainPEM, KeyFile: pair.Key.Reveal(), RootsFile: pair.RootsPEM} {
		if err := createFile(filepath.Join(next, name), text); err != nil {
			return "", errors.Join(err, os.RemoveAll(next))
		}
	}
	return next, nil
}

// replaceLink makes a link in one step, whatever it led to.
func replaceLink(dir, name, target string) error {
	temp := filepath.Join(dir, tempPrefix+name)
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(target, temp); err != nil {
		return err
	}
	return os.Rename(temp, filepath.Join(dir, name))
}

func ensureLink(dir, name, target string) error {
	if now, err := os.Readlink(filepath.Join(dir, name)); err == nil && now == target {
		return nil
	}
	return replaceLink(dir, name, target)
}

// sweepPairs removes all folders of earlier pairs but the kept ones: who has just begun to read the last one may finish.
func sweepPairs(dir string, keep ...string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, entry := range entries {
		if entry.IsDir() && strings.HasPrefix(entry.Name(), pairPrefix) && entry.Name() != keep[0] && entry.Name() != keep[1] {
			errs = append(errs, os.RemoveAll(filepath.Join(dir, entry.Name())))
		}
	}
	return errors.Join(errs...)
}
