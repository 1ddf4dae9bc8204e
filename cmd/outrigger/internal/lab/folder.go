//go:build linux

package lab

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

//go:embed mesh/services.yaml
var services embed.FS

// ErrNotRunning says that no lab runs in a folder.
var ErrNotRunning = errors.New("no lab runs")

// folder is where a lab keeps what is on disk.
type folder struct {
	dir  string
	lock *os.File
}

// state is what other commands know of a lab that runs.
type state struct {
	Pods []podState `json:"pods"`
}

type podState struct {
	Name string `json:"name"`
	// NetNS is the path of the pod's network namespace, which is good while the lab runs.
	NetNS string `json:"netns"`
}

const (
	stateFile = "lab.json"
	lockFile  = "lock"
	// Others find their own files below the folders that everybody may pass.
	passable = 0o711
)

func (f *folder) path(names ...string) string {
	return filepath.Join(append([]string{f.dir}, names...)...)
}

func (f *folder) data() string              { return f.path("data") }
func (f *folder) mesh() string              { return f.path("mesh") }
func (f *folder) hosts() string             { return f.path("hosts") }
func (f *folder) log(name string) string    { return f.path("logs", name+".log") }
func (f *folder) sidecar(pod string) string { return f.path("sidecars", pod) }

// openFolder makes the folder, or takes over the one of a lab that has crashed.
func openFolder(dir string) (*folder, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	f := &folder{dir: dir}
	if err := f.claim(); err != nil {
		return nil, err
	}
	if err := f.fill(); err != nil {
		return nil, errors.Join(fmt.Errorf("the lab's folder: %w", err), f.lock.Close())
	}
	return f, nil
}

// claim takes the lock of the folder. A folder that has none and is not empty is somebody else's.
func (f *folder) claim() error {
	if err := os.MkdirAll(f.dir, passable); err != nil {
		return fmt.Errorf("the lab's folder: %w", err)
	}
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return fmt.Errorf("the lab's folder: %w", err)
	}
	if _, err := os.Stat(f.path(lockFile)); err != nil && len(entries) > 0 {
		return fmt.Errorf("%s is not empty and no lab's: give --dir another folder", f.dir)
	}
	if err := openToAll(f.dir); err != nil {
		return err
	}
	lock, err := os.OpenFile(f.path(lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("the lab's folder: %w", err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return errors.Join(fmt.Errorf("a lab runs in %s already: end it, or give --dir another folder", f.dir), lock.Close())
	}
	f.lock = lock
	return nil
}

// openToAll checks that every user may pass the folders on the way to a path, and the path itself: the pods' programs are not root's.
func openToAll(path string) error {
	for at := path; ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		if err != nil {
			return err
		}
		if info.Mode()&0o001 == 0 {
			return fmt.Errorf("%s: other users than root cannot get there, because %s has mode %04o", path, at, info.Mode().Perm())
		}
		if at == filepath.Dir(at) {
			return nil
		}
	}
}

// fill removes what is left of an earlier lab, and makes the folders.
func (f *folder) fill() error {
	if err := f.empty(); err != nil {
		return err
	}
	for _, dir := range []string{f.mesh(), f.path("sidecars"), f.path("logs")} {
		if err := os.Mkdir(dir, passable); err != nil {
			return err
		}
	}
	text, err := services.ReadFile("mesh/services.yaml")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(f.mesh(), "services.yaml"), text, 0o644)
}

// empty removes everything but the lock.
func (f *folder) empty() error {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() != lockFile {
			err = errors.Join(err, os.RemoveAll(f.path(e.Name())))
		}
	}
	return err
}

// close gives the folder up, and removes it.
func (f *folder) close() error {
	return errors.Join(os.RemoveAll(f.dir), f.lock.Close())
}

// keep gives the folder up with all that is in it.
func (f *folder) keep() error { return f.lock.Close() }

// publish tells other commands of the pods.
func (f *folder) publish(s state) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return os.WriteFile(f.path(stateFile), text, 0o600)
}

// readState returns the state of the lab that runs in a folder, or an ErrNotRunning.
func readState(dir string) (state, error) {
	f := folder{dir: dir}
	lock, err := os.Open(f.path(lockFile))
	if errors.Is(err, fs.ErrNotExist) {
		return state{}, fmt.Errorf("%w in %s", ErrNotRunning, dir)
	}
	if err != nil {
		return state{}, err
	}
	defer lock.Close()
	if unix.Flock(int(lock.Fd()), unix.LOCK_SH|unix.LOCK_NB) == nil {
		return state{}, fmt.Errorf("%w in %s", ErrNotRunning, dir)
	}
	text, err := os.ReadFile(f.path(stateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return state{}, fmt.Errorf("%w in %s yet", ErrNotRunning, dir)
	}
	if err != nil {
		return state{}, err
	}
	var s state
	return s, json.Unmarshal(text, &s)
}
