package certs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Files of the data folder.
const (
	authorityFile = "authority.pem"
	rootsFile     = "roots.pem"
	tokenKeyFile  = "token.key"
	lockFile      = "lock"
)

// ErrLocked says that another server uses the data folder.
var ErrLocked = errors.New("another server holds the data folder")

// openFolder makes the data folder with mode 0700 when it is missing, and
// refuses one in which others could replace the keys.
func openFolder(dir string) error {
	if dir == "" {
		return errors.New("data folder: no path given")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("data folder %s: %w", dir, err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("data folder %s: %w", dir, err)
	}
	if mode := info.Mode().Perm(); mode&0o022 != 0 {
		return fmt.Errorf("data folder %s: mode %04o lets others replace the keys; chmod 700 it or name a folder inside it", dir, mode)
	}
	return checkOwner(dir, info)
}

// lockFolder takes the lock that only one server has. It ends with the
// process, so a crash leaves no stale lock behind.
func lockFolder(dir string) (*os.File, error) {
	path := filepath.Join(dir, lockFile)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock of the data folder: %w", err)
	}
	err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = heldError(dir, file)
	}
	if err == nil {
		err = notePID(file)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

func heldError(dir string, file *os.File) error {
	fix := "stop it or name another --data-dir"
	text, err := io.ReadAll(io.LimitReader(file, 32))
	pid, perr := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || perr != nil {
		return fmt.Errorf("%s: %w; %s", dir, ErrLocked, fix)
	}
	return fmt.Errorf("%s: %w (process %d); %s", dir, ErrLocked, pid, fix)
}

func notePID(file *os.File) error {
	if err := file.Truncate(0); err != nil {
		return fmt.Errorf("lock of the data folder: %w", err)
	}
	if _, err := file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0); err != nil {
		return fmt.Errorf("lock of the data folder: %w", err)
	}
	return nil
}

// loadOrCreate reads a key file, or makes it when it is missing. However many
// processes come at once, all end with the content of the one that was first.
func loadOrCreate(path string, create func() ([]byte, error)) ([]byte, error) {
	data, err := readKeyFile(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return data, err
	}
	fresh, err := create()
	if err != nil {
		return nil, err
	}
	if err := createFile(path, fresh); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return readKeyFile(path)
}
