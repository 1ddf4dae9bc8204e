package replica

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"outrigger.dev/outrigger/xds/debug"
)

const (
	// Main is the replica whose place is the data folder itself.
	Main = "main"

	placesDir = "replicas"
	lockFile  = "lock"
)

// ErrHeld says that another server has the place.
var ErrHeld = errors.New("another server holds the place")

var nameFormat = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$`)

// Place is where a server has its lock and its sockets.
type Place struct {
	Name, Dir string
}

// PlaceOf returns the place of a name in a data folder. The error says what names are like.
func PlaceOf(dataDir, name string) (Place, error) {
	if name == Main {
		return Place{Name: name, Dir: dataDir}, nil
	}
	if !nameFormat.MatchString(name) {
		return Place{}, fmt.Errorf("replica %.100q: want lower-case letters, digits, dots and dashes, at most 63", name)
	}
	return Place{Name: name, Dir: filepath.Join(dataDir, placesDir, name)}, nil
}

// Places returns the places of a data folder in which servers ever were, the main one first.
func Places(dataDir string) ([]Place, error) {
	entries, err := os.ReadDir(filepath.Join(dataDir, placesDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	names := []string{Main}
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	var places []Place
	for _, name := range names {
		place, err := PlaceOf(dataDir, name)
		if err != nil {
			continue
		}
		if _, err := os.Stat(filepath.Join(place.Dir, lockFile)); err == nil {
			places = append(places, place)
		}
	}
	return places, nil
}

// Held is a place that this process has.
type Held struct {
	Place
	lock *os.File
}

// Take takes a place for this process alone. The lock ends with the process, so that a crash leaves no stale one behind.
// The error wraps ErrHeld when another server has it. The data folder must exist.
func (p Place) Take() (*Held, error) {
	if err := os.MkdirAll(p.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("place of the replica: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(p.Dir, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("place of the replica: %w", err)
	}
	err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = p.heldError()
	}
	if err == nil {
		err = note(file)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &Held{Place: p, lock: file}, nil
}

// Close gives the place back. Its lock file stays: one that is taken away could be locked twice.
func (h *Held) Close() error { return errors.Join(h.lock.Truncate(0), h.lock.Close()) }

func (p Place) heldError() error {
	who := ""
	if holder := p.holder(); holder.pid != 0 {
		who = fmt.Sprintf(" (process %d on %s)", holder.pid, holder.host)
	}
	return fmt.Errorf("%s: %w of replica %s%s; stop it, or start this one beside it with --replica NAME", p.Dir, ErrHeld, p.Name, who)
}

// holder is who noted itself in a place; zero where the last one ended well.
type holder struct {
	pid  int
	host string
}

func (p Place) holder() holder {
	file, err := os.Open(filepath.Join(p.Dir, lockFile))
	if err != nil {
		return holder{}
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, 512))
	if err != nil {
		return holder{}
	}
	first, host, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	pid, err := strconv.Atoi(first)
	if err != nil {
		return holder{}
	}
	return holder{pid: pid, host: host}
}

func note(file *os.File) error {
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("place of the replica: %w", err)
	}
	if err := file.Truncate(0); err != nil {
		return fmt.Errorf("place of the replica: %w", err)
	}
	if _, err := file.WriteAt(fmt.Appendf(nil, "%d %s\n", os.Getpid(), host), 0); err != nil {
		return fmt.Errorf("place of the replica: %w", err)
	}
	return nil
}

// verdict says what it means that nobody listens at the socket of a place.
func (p Place) verdict() (state, why string) {
	holder := p.holder()
	host, err := os.Hostname()
	switch {
	case holder.pid == 0:
		return stateStopped, ""
	case err == nil && holder.host == host:
		return StateEnded, fmt.Sprintf("process %d ended without stopping; start it again, or remove %s", holder.pid, p.leftovers())
	default:
		return StateAway, fmt.Sprintf("process %d runs on %s: give this server --peer HOST:PORT of it", holder.pid, holder.host)
	}
}

// leftovers is what a server that crashed leaves behind.
func (p Place) leftovers() string {
	if p.Name == Main {
		return filepath.Join(p.Dir, lockFile)
	}
	return p.Dir
}

// client returns a client of the server of a place.
func (p Place) client() *debug.Client { return debug.NewClient(p.Dir) }
