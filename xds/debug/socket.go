package debug

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
)

// Names of the sockets in the data folder.
const (
	SocketName     = "debug.sock"
	CSDSSocketName = "csds.sock"
)

// maxSocketPath is what the kernel takes: 108 bytes with the zero at the end.
const maxSocketPath = 107

// Listen makes a Unix socket of mode 0600 and replaces what a server that
// crashed left behind. The folder is that server's alone (its place is locked).
//
// The socket is made in a private folder and then moved, so that nobody can
// connect before its mode is right; the process's umask stays as it is.
func Listen(ctx context.Context, dir, name string) (net.Listener, error) {
	path := filepath.Join(dir, name)
	private := filepath.Join(dir, "."+name+".new")
	made := filepath.Join(private, "s")
	if longest := max(len(path), len(made)); longest > maxSocketPath {
		return nil, fmt.Errorf("socket %s: its path has %d bytes, the system takes %d: name a data folder with a shorter path",
			path, longest, maxSocketPath)
	}
	if err := os.RemoveAll(private); err != nil {
		return nil, fmt.Errorf("socket %s: %w", path, err)
	}
	if err := os.Mkdir(private, 0o700); err != nil {
		return nil, fmt.Errorf("socket %s: %w", path, err)
	}
	listener, err := listenUnix(ctx, made)
	if err == nil {
		err = errors.Join(os.Chmod(made, 0o600), os.Rename(made, path))
	}
	if err = errors.Join(err, os.RemoveAll(private)); err != nil {
		if listener != nil {
			err = errors.Join(err, listener.Close())
		}
		return nil, fmt.Errorf("socket %s: %w", path, err)
	}
	return &socket{Listener: listener, path: path}, nil
}

func listenUnix(ctx context.Context, path string) (net.Listener, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	if unix, ok := listener.(*net.UnixListener); ok {
		// It will have another path by then.
		unix.SetUnlinkOnClose(false)
	}
	return listener, nil
}

// socket removes its path when it is closed.
type socket struct {
	net.Listener
	path string
}

// Close ends the listener and removes the path.
func (s *socket) Close() error {
	err := s.Listener.Close()
	if errors.Is(err, net.ErrClosed) {
		return err
	}
	if removed := os.Remove(s.path); removed != nil && !errors.Is(removed, fs.ErrNotExist) {
		err = errors.Join(err, removed)
	}
	return err
}
