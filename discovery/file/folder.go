package file

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// maxFirstWait is how many times the settling time files that are being written can hold the first state up.
const maxFirstWait = 10

// maxFolderDepth bounds how deep subfolders nest.
const maxFolderDepth = 16

// folder is what is known of the files on disk; the loop owns it.
type folder struct {
	dir    string
	settle time.Duration
	mesh   *mesh
	// decoder remembers the shapes of objects from one file to the next.
	decoder *decoder
	// files are keyed by their names from dir, with slashes.
	files map[string]*file
	// deferred are names that are judged when nothing happened to them until then; "" is the folder itself.
	deferred map[string]wait
	// told is what the kernel said of files since they were judged.
	told map[string]told
	// complete says that the folder was read whole once, and every file judged; completeBy is when it is called so
	// although files are still being written.
	complete   bool
	completeBy time.Time
	// lost is why the folder cannot be read, nil when it can.
	lost error
	// root is the folder that the files were found in, and replaced says that it went since.
	root     fs.FileInfo
	replaced bool
	// unreadable are subfolders that cannot be read, and why.
	unreadable map[string]error
	// unknown are files whose content is not known, and why.
	unknown map[string]error
	// sum is that of the shares of all files, and revision what it is told as; empty when it is to be computed anew.
	sum      share
	revision string
	// entered is called with each folder before it is read.
	entered func(path string, info fs.FileInfo)
}

// file is what is known of one file.
type file struct {
	// info and hash are those of the content that was judged last; info is nil when the file cannot be read.
	info fs.FileInfo
	hash digest
	// good is the last good content, nil while there was none.
	good *parsed
	// share is what the file adds to the folder's sum; zero before it is put there.
	share share
}

func newFolder(dir string, m *mesh, settle time.Duration) *folder {
	return &folder{
		dir: dir, settle: settle, mesh: m, decoder: newDecoder(),
		files: make(map[string]*file), deferred: make(map[string]wait), told: make(map[string]told),
		unreadable: make(map[string]error), unknown: make(map[string]error),
		entered: func(string, fs.FileInfo) {},
	}
}

// scan looks at the whole folder; force reads files again that look as they did.
func (f *folder) scan(now time.Time, force bool) {
	found, err := f.present()
	if err != nil {
		if !f.undecided("", digest{}, now) {
			f.lost, f.replaced = err, true
		}
		return
	}
	delete(f.deferred, "")
	f.lost = nil
	if force {
		clear(f.told) // What the kernel said is not all that happened.
	}
	for name, info := range found {
		_, waiting := f.deferred[name]
		if known := f.files[name]; force || known == nil || (!waiting && !known.same(info)) {
			f.look(name, now)
		}
	}
	for name := range f.files {
		if _, ok := found[name]; !ok && !f.unseen(name) {
			f.look(name, now)
		}
	}
	if f.completeBy.IsZero() {
		f.completeBy = now.Add(maxFirstWait * f.settle)
	}
}

// unseen reports whether a file stands in a folder that cannot be read.
func (f *folder) unseen(name string) bool {
	for dir := range f.unreadable {
		if strings.HasPrefix(name, dir+"/") {
			return true
		}
	}
	return false
}

// same reports whether a file looks as it did when it was read. What cannot be read never does.
func (k *file) same(info fs.FileInfo) bool {
	return k.info != nil && info != nil && os.SameFile(k.info, info) && k.info.Size() == info.Size() && k.info.ModTime().Equal(info.ModTime())
}

// errEmptied is why files are not believed to be deleted that were in another folder than the one which is there now.
var errEmptied = errors.New("another folder stands in its place, and no file in it: what was known stays in use; " +
	"to remove all of it, put a file there that holds nothing but a comment")

// present returns the files that are there, or why nobody knows: an empty folder that came instead of another one is
// what a volume leaves that is not mounted any more, and the first moment of one that is being made anew.
func (f *folder) present() (map[string]fs.FileInfo, error) {
	root, found, err := f.walk()
	if err != nil {
		return nil, err
	}
	if len(f.files) > 0 && len(found)+len(f.unreadable) == 0 && (f.replaced || !os.SameFile(f.root, root)) {
		return nil, errEmptied
	}
	f.root, f.replaced = root, false
	return found, nil
}

// walk returns the folder, and the files of it and of its subfolders.
func (f *folder) walk() (root fs.FileInfo, found map[string]fs.FileInfo, err error) {
	info, err := os.Stat(f.dir)
	if err != nil {
		return nil, nil, err
	}
	if !info.IsDir() {
		return nil, nil, fmt.Errorf("%s is not a folder", f.dir)
	}
	clear(f.unreadable)
	found = make(map[string]fs.FileInfo)
	return info, found, f.enter("", []fs.FileInfo{info}, found)
}

// enter adds the files of one folder. Above are the folder itself and those that it is in, for links that lead back.
func (f *folder) enter(name string, above []fs.FileInfo, found map[string]fs.FileInfo) error {
	dir := filepath.Join(f.dir, filepath.FromSlash(name))
	f.entered(dir, above[len(above)-1])
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		child := path.Join(name, entry.Name())
		info, err := os.Stat(filepath.Join(dir, entry.Name()))
		gone := errors.Is(err, fs.ErrNotExist)
		leadsNowhere := gone && entry.Type() == fs.ModeSymlink
		switch {
		case err == nil && info.IsDir():
			f.enterChild(child, info, above, found)
		case isCandidate(child) && (!gone || leadsNowhere):
			found[child] = info
		case leadsNowhere && f.hasFilesIn(child):
			f.unreadable[child] = err
		}
	}
	return nil
}

func (f *folder) enterChild(name string, info fs.FileInfo, above []fs.FileInfo, found map[string]fs.FileInfo) {
	leadsBack := slices.ContainsFunc(above, func(other fs.FileInfo) bool { return os.SameFile(info, other) })
	if leadsBack || len(above) > maxFolderDepth {
		return
	}
	if err := f.enter(name, append(above, info), found); err != nil && !errors.Is(err, fs.ErrNotExist) {
		f.unreadable[name] = err
	}
}

// hasFilesIn reports whether files of a folder are known.
func (f *folder) hasFilesIn(dir string) bool {
	for name := range f.files {
		if strings.HasPrefix(name, dir+"/") {
			return true
		}
	}
	return false
}

// leadsNowhere reports whether a name, or a folder that it stands in, is a link to what is not there: the link is, so
// that nobody has deleted what it stands for.
func (f *folder) leadsNowhere(name string) bool {
	for ; name != "."; name = path.Dir(name) {
		link := filepath.Join(f.dir, filepath.FromSlash(name))
		if info, err := os.Lstat(link); err == nil {
			_, err = os.Stat(link)
			return info.Mode().Type() == fs.ModeSymlink && errors.Is(err, fs.ErrNotExist)
		}
	}
	return false
}

// isCandidate reports whether a name is that of a file to read: hidden files and what editors leave behind are not.
func isCandidate(name string) bool {
	ext := path.Ext(name)
	return (ext == ".yaml" || ext == ".yml") && !strings.HasPrefix(path.Base(name), ".")
}

// trouble returns why a part of the folder is not known; nil when all of it is.
func (f *folder) trouble() error {
	if f.lost != nil {
		return fmt.Errorf("cannot read the folder: %w", f.lost)
	}
	var errs []error
	for name, err := range f.unreadable {
		errs = append(errs, fmt.Errorf("cannot read the folder %s: %w", name, err))
	}
	for name, err := range f.unknown {
		errs = append(errs, fmt.Errorf("the content of %s is not known: %w", name, err))
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}
