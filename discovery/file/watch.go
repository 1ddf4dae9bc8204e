package file

import (
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/fsnotify/fsnotify"
)

// eventBuffer is how many events wait for the loop before the kernel's own queue fills.
const eventBuffer = 4096

// watch tells what happens in the folder. It watches the folder, its
// subfolders, and the folder that it stands in, where it is renamed or its link
// is swapped.
type watch struct {
	*fsnotify.Watcher
	dir    string
	logger *slog.Logger
	// watched are the folders with a watch, as they were then; a path that leads to another folder is watched anew.
	watched map[string]fs.FileInfo
	// movedFrom is what the last event said to have been renamed, empty when it said anything else.
	movedFrom string
}

func newWatch(dir string, logger *slog.Logger) (*watch, error) {
	watcher, err := fsnotify.NewBufferedWatcher(eventBuffer)
	if err != nil {
		return nil, fmt.Errorf("watch %s (is fs.inotify.max_user_instances reached?): %w", dir, err)
	}
	return &watch{Watcher: watcher, dir: dir, logger: logger, watched: make(map[string]fs.FileInfo)}, nil
}

// add watches a folder unless it is watched already. Without a watch changes are still seen when the folder is read by itself.
func (w *watch) add(dir string, info fs.FileInfo) {
	if before := w.watched[dir]; before != nil && os.SameFile(before, info) {
		return
	}
	w.drop(dir)
	if err := w.Add(dir); err != nil {
		w.logger.Warn("cannot watch folder, changes are seen late", "folder", dir, "error", err)
		return
	}
	w.watched[dir] = info
}

// addParent watches where the folder stands.
func (w *watch) addParent() {
	parent := filepath.Dir(w.dir)
	if info, err := os.Stat(parent); err == nil {
		w.add(parent, info)
	}
}

// drop forgets the watch of a folder, which may have ended by itself.
func (w *watch) drop(dir string) {
	if w.watched[dir] != nil {
		_ = w.Remove(dir)
		delete(w.watched, dir)
	}
}

// verdict is what an event asks for.
type verdict uint8

const (
	// ignore: a neighbour of the folder, or a hidden file. What begins with two dots is how volumes swap their content.
	ignore verdict = iota
	// lookAtFile: one file of the folder.
	lookAtFile
	// lookAtAll: a folder or a link, anything.
	lookAtAll
)

// judge says what an event asks for, and which file it is about.
func (w *watch) judge(event fsnotify.Event) (verdict, string) {
	if w.watched[event.Name] != nil && (event.Has(fsnotify.Remove) || event.Has(fsnotify.Rename)) {
		w.drop(event.Name)
	}
	name, err := filepath.Rel(w.dir, event.Name)
	if err != nil || name == ".." || strings.HasPrefix(name, ".."+string(filepath.Separator)) {
		return ignore, ""
	}
	name = filepath.ToSlash(name)
	if base := path.Base(name); base != "." && strings.HasPrefix(base, ".") && !strings.HasPrefix(base, "..") {
		return ignore, ""
	}
	if isCandidate(name) && w.watched[event.Name] == nil {
		return lookAtFile, name
	}
	return lookAtAll, ""
}

// told is what the kernel says of how a file came to what it holds.
type told uint8

const (
	// unclear: it is there or gone; it may have been made to be written, linked, or moved from where nothing is watched.
	unclear told = iota
	// placed: it was renamed into place.
	placed
	// written: it was written where it stands.
	written
	// attributes: the same as before.
	attributes
)

// told says how a file came to what it holds. It must be given every event: of a rename the
// kernel tells first what was moved, and directly after that where it came to.
func (w *watch) told(event fsnotify.Event) told {
	from := w.movedFrom
	w.movedFrom = ""
	switch {
	case event.Has(fsnotify.Write):
		return written
	case event.Has(fsnotify.Rename):
		w.movedFrom = event.Name
	case event.Has(fsnotify.Create) && from != "" && from != event.Name:
		return placed
	case event.Has(fsnotify.Chmod):
		return attributes
	}
	return unclear
}
