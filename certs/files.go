package certs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	// tempPattern names files that are being written. They are renamed or
	// linked when complete, so one that stays is left over from a crash.
	tempPrefix  = ".outrigger-new-"
	tempPattern = tempPrefix + "*"
	// leftoverAge is how old such a file must be before it is swept away:
	// another process may be writing a younger one.
	leftoverAge = time.Hour
	maxFileSize = 64 << 10
)

// createFile writes a new file of mode 0600 in one step. It never overwrites:
// when the file exists the error is [fs.ErrExist] and the file is untouched.
func createFile(path string, data []byte) error {
	temp, err := writeTemp(filepath.Dir(path), data, 0o600)
	if err != nil {
		return err
	}
	// A hard link fails where the name exists, which a rename would replace.
	err = os.Link(temp, path)
	if err := errors.Join(err, os.Remove(temp)); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// replaceFile writes a file in one step: readers see the old content or the
// new one, and whoever watches the folder sees one move into it.
func replaceFile(path string, data []byte, mode fs.FileMode) error {
	temp, err := writeTemp(filepath.Dir(path), data, mode)
	if err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return syncDir(filepath.Dir(path))
}

// writeTemp writes data to a file of its own in dir, down to the disk, and returns its path.
func writeTemp(dir string, data []byte, mode fs.FileMode) (string, error) {
	// CreateTemp opens with O_EXCL and mode 0600.
	file, err := os.CreateTemp(dir, tempPattern)
	if err != nil {
		return "", err
	}
	_, err = file.Write(data)
	err = errors.Join(err, file.Chmod(mode), file.Sync(), file.Close())
	if err != nil {
		return "", errors.Join(err, os.Remove(file.Name()))
	}
	return file.Name(), nil
}

// syncDir makes a new name in dir survive a crash of the machine.
func syncDir(dir string) error {
	handle, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(handle.Sync(), handle.Close())
}

// sweepLeftovers removes temporary files that a crash left in dir.
func sweepLeftovers(dir string, now time.Time) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), tempPrefix) || !entry.Type().IsRegular() {
			continue
		}
		info, err := entry.Info()
		if err == nil && now.Sub(info.ModTime()) > leftoverAge {
			err = os.Remove(filepath.Join(dir, entry.Name()))
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// readKeyFile reads a file that holds a private key. It refuses one that
// others could have read or written: such a key is not a secret.
func readKeyFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	data, err := readPrivate(file)
	return data, errors.Join(err, file.Close())
}

func readPrivate(file *os.File) ([]byte, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if err := checkPrivate(file.Name(), info); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(file, maxFileSize+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFileSize {
		return nil, fmt.Errorf("%s: more than %d bytes, this is no key file; move it away", file.Name(), maxFileSize)
	}
	return data, nil
}

func checkPrivate(path string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s: not a regular file; move it away", path)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("%s: mode %04o lets others at the key; if nobody has read it, chmod 600 %s", path, mode, path)
	}
	return checkOwner(path, info)
}

// checkOwner refuses what belongs to another user, who could change it at
// will. Root may use everybody's.
func checkOwner(path string, info fs.FileInfo) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	return ownedBy(path, int(stat.Uid), os.Geteuid())
}

func ownedBy(path string, owner, user int) error {
	if user == 0 || owner == user || owner == 0 {
		return nil
	}
	return fmt.Errorf("%s: belongs to user %d, this process is user %d; chown it or run as its owner", path, owner, user)
}
