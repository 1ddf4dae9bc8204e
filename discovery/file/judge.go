package file

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"outrigger.dev/outrigger/discovery"
)

// look reads one file and takes in what changed. What may be a writer's
// half-done work is judged later: a file that is gone or bad, or one that was
// written where it stands. What was renamed into place is taken at once.
func (f *folder) look(name string, now time.Time) {
	known := f.files[name]
	if known == nil {
		known = &file{}
	}
	found, err := read(filepath.Join(f.dir, filepath.FromSlash(name)))
	switch {
	case (errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)) && !f.leadsNowhere(name):
		f.missing(name, now)
	case err != nil:
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("its link leads nowhere: %w", err)
		}
		if !f.undecided(name, digest{}, now) {
			f.cannotRead(name, known, err)
		}
	default:
		f.judge(name, known, found, now)
	}
}

// missing takes in that a file is gone.
func (f *folder) missing(name string, now time.Time) {
	if f.files[name] == nil {
		f.decided(name)
		return
	}
	if !f.undecided(name, digest{}, now) && !f.isLost() {
		f.forget(name)
	}
}

// content is what was read of a file.
type content struct {
	data []byte
	// info is from before it was read, and written when the file had been written last after that.
	info    fs.FileInfo
	written time.Time
}

func (f *folder) judge(name string, known *file, read content, now time.Time) {
	hash := digest(sha256.Sum256(read.data))
	if known.info != nil && known.hash == hash {
		known.info = read.info
		f.decided(name)
		return
	}
	whole := f.whole(name, read.written, now)
	if !whole && f.undecided(name, hash, now) {
		return
	}
	next := f.decoder.file(name, read.data, known.good)
	if whole && next.bad() && f.undecided(name, hash, now) {
		return
	}
	f.decided(name)
	known.info, known.hash = read.info, hash
	f.put(name, known)
	f.mesh.report(name, next.problems)
	if next.bad() {
		f.refuse(name, known, next)
		return
	}
	delete(f.unknown, name)
	known.good = next
	f.mesh.replace(name, next.objects)
}

// refuse keeps the last good content of a file. Where there is none and the file was there before the source was,
// nobody knows what it used to say.
func (f *folder) refuse(name string, known *file, bad *parsed) {
	if known.good != nil {
		delete(f.unknown, name)
	} else if f.unknown[name] != nil || !f.complete {
		f.unknown[name] = errors.New(bad.problems[0].String())
	}
}

// whole reports whether a file's content is surely what its writer meant: it was renamed into place, or nobody has
// written for long. Anything else may be the beginning of a content, and a beginning can be good YAML: a policy
// without its selector is for everybody.
func (f *folder) whole(name string, lastWrite, now time.Time) bool {
	switch f.told[name] {
	case placed:
		return true
	case written:
		return false
	}
	return now.Sub(lastWrite) >= f.settle
}

// wait is a verdict that is given later.
type wait struct {
	due time.Time
	// hash is that of the content which is judged then; zero for none.
	hash digest
}

// undecided reports whether a verdict on a content has to wait, and sees to it that it is given later: when the same
// content was there for the settling time, so that one which is written without end is never believed.
func (f *folder) undecided(name string, hash digest, now time.Time) bool {
	if f.settle == 0 {
		return false
	}
	waiting, ok := f.deferred[name]
	if !ok || waiting.hash != hash {
		f.deferred[name] = wait{due: now.Add(f.settle), hash: hash}
		return true
	}
	if now.Before(waiting.due) {
		return true
	}
	delete(f.deferred, name)
	return false
}

// decided says that nothing is left to be judged of a file.
func (f *folder) decided(name string) {
	delete(f.deferred, name)
	delete(f.told, name)
}

// touch says that something happened to a file: a verdict that waits, waits anew.
func (f *folder) touch(name string, happened told) {
	delete(f.deferred, name)
	if happened != attributes {
		f.told[name] = happened
	}
}

// due looks again at what waits no longer, and returns when the next one is due; zero for never.
func (f *folder) due(now time.Time) time.Time {
	for name, waiting := range f.deferred {
		switch {
		case now.Before(waiting.due):
		case name == "":
			f.scan(now, false)
		default:
			f.look(name, now)
		}
	}
	if !f.completeBy.IsZero() && (len(f.deferred) == 0 || !now.Before(f.completeBy)) {
		f.complete = true
	}
	var next time.Time
	for _, waiting := range f.deferred {
		if next.IsZero() || waiting.due.Before(next) {
			next = waiting.due
		}
	}
	return next
}

// isLost reports whether the folder cannot be read now, or is not the one that had the files: then none of them was deleted.
func (f *folder) isLost() bool {
	info, err := os.Stat(f.dir)
	if err != nil || !info.IsDir() {
		return true
	}
	if !f.replaced && os.SameFile(f.root, info) {
		return false
	}
	_, err = f.present()
	return err != nil
}

func (f *folder) forget(name string) {
	f.decided(name)
	f.remove(name)
	delete(f.unknown, name)
	f.mesh.report(name, nil)
	f.mesh.replace(name, nil)
}

func (f *folder) cannotRead(name string, known *file, err error) {
	known.info = nil
	f.put(name, known)
	f.unknown[name] = err
	f.mesh.report(name, []discovery.Problem{{
		Location: name, Reason: "Unreadable", Message: err.Error() + ": its last content stays in use",
	}})
}

// read returns the content of a regular file, and one byte more than the limit of one that is too large.
func read(name string) (content, error) {
	// Without O_NONBLOCK a named pipe would hold the loop up until somebody writes to it.
	file, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return content{}, err
	}
	defer file.Close()
	before, err := file.Stat()
	if err != nil {
		return content{}, err
	}
	if !before.Mode().IsRegular() {
		return content{}, errors.New("it is not a regular file")
	}
	var data bytes.Buffer
	data.Grow(int(min(before.Size(), MaxFileSize)) + bytes.MinRead)
	if _, err := data.ReadFrom(io.LimitReader(file, MaxFileSize+1)); err != nil {
		return content{}, err
	}
	after, err := file.Stat()
	if err != nil {
		return content{}, err
	}
	return content{data: data.Bytes(), info: before, written: after.ModTime()}, nil
}
