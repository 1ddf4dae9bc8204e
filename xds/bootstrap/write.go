package bootstrap

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// Write renders the folder into dir, which is made with mode 0700 when it is
// missing. config.Dir may be empty: it is dir, made absolute. Each file is
// replaced in one step, so a running Envoy never reads half of one; a file
// token that is there is left alone.
func Write(dir string, config Config) error {
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("bootstrap: folder %s: %w", dir, err)
	}
	if config.Dir == "" {
		config.Dir = absolute
	}
	files, err := Render(config)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(absolute, 0o700); err != nil {
		return fmt.Errorf("bootstrap: %w", err)
	}
	if err := placeToken(filepath.Join(absolute, TokenFile)); err != nil {
		return fmt.Errorf("bootstrap: token: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := replace(filepath.Join(absolute, name), files[name]); err != nil {
			return fmt.Errorf("bootstrap: %w", err)
		}
	}
	return nil
}

// placeToken puts an empty file where no token is yet: Envoy starts with it
// and waits until a token is moved into its place.
func placeToken(path string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return file.Close()
}

// replace writes a file in one step: readers see the old content or the new one.
func replace(path string, data []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), ".outrigger-new-*")
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	err = errors.Join(err, file.Chmod(0o644), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}
