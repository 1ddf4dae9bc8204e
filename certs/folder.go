package certs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Files of the data folder.
const (
	authorityFile = "authority.pem"
	rootsFile     = "roots.pem"
	tokenKeyFile  = "token.key"
)

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
