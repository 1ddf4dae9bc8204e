package file

import (
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"outrigger.dev/outrigger/discovery"
)

// look reads one file and takes in what changed. What may be a writer's
// half-done work is judged later: a file that is gone or bad, or that lost
// objects while it was written in place. Everything else is taken at once.
func (f *folder) look(name string, now time.Time) {
	known := f.files[name]
	if known == nil {
		known = &file{}
	}
	data, info, err := read(filepath.Join(f.dir, filepath.FromSlash(name)))
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR):
		if f.files[name] != nil && !f.undecided(name, now) && !f.isLost() {
			f.forget(name)
		}
	case err != nil:
		if !f.undecided(name, now) {
			f.cannotRead(name, known, err)
		}
	default:
		f.judge(name, known, content{data: data, info: info}, now)
	}
}

// content is what was read of a file.
type content struct {
	data []byte
	info fs.FileInfo
}

func (f *folder) judge(name string, known *file, read content, now time.Time) {
	hash := digest(sha256.Sum256(read.data))
	if known.info != nil && known.hash == hash {
		known.info = read.info
		delete(f.deferred, name)
		return
	}
	next := parse(name, read.data, known.good)
	inPlace := known.info == nil || os.SameFile(known.info, read.info)
	if (next.bad() || (inPlace && known.lostObjects(next))) && f.undecided(name, now) {
		return
	}
	delete(f.deferred, name)
	f.files[name] = known
	known.info, known.hash = read.info, hash
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

// lostObjects reports whether the next content lacks objects of the last good one.
func (k *file) lostObjects(next *parsed) bool {
	if k.good == nil {
		return false
	}
	there := make(map[discovery.ObjectID]bool, len(next.objects))
	for i := range next.objects {
		there[next.objects[i].ID] = true
	}
	return slices.ContainsFunc(k.good.objects, func(o Object) bool { return !there[o.ID] })
}

// undecided reports whether a verdict has to wait, and sees to it that it is given later.
func (f *folder) undecided(name string, now time.Time) bool {
	due, waiting := f.deferred[name]
	if !waiting && f.settle > 0 {
		f.deferred[name] = now.Add(f.settle)
		return true
	}
	if now.Before(due) {
		return true
	}
	delete(f.deferred, name)
	return false
}

// touch says that something happened to a file: a verdict that waits, waits anew.
func (f *folder) touch(name string) { delete(f.deferred, name) }

// due looks again at what waits no longer, and returns when the next one is due; zero for never.
func (f *folder) due(now time.Time) time.Time {
	for name, at := range f.deferred {
		switch {
		case now.Before(at):
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
	for _, at := range f.deferred {
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	return next
}

// isLost reports whether the folder cannot be read now: then no file in it was deleted.
func (f *folder) isLost() bool {
	info, err := os.Stat(f.dir)
	return err != nil || !info.IsDir()
}

func (f *folder) forget(name string) {
	delete(f.files, name)
	delete(f.unknown, name)
	f.mesh.report(name, nil)
	f.mesh.replace(name, nil)
}

func (f *folder) cannotRead(name string, known *file, err error) {
	known.info = nil
	f.files[name] = known
	f.unknown[name] = err
	f.mesh.report(name, []discovery.Problem{{
		Location: name, Reason: "Unreadable", Message: err.Error() + ": its last content stays in use",
	}})
}

// read returns the content of a regular file, and one byte more than the limit of one that is too large.
func read(name string) ([]byte, fs.FileInfo, error) {
	// Without O_NONBLOCK a named pipe would hold the loop up until somebody writes to it.
	file, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, errors.New("it is not a regular file")
	}
	data, err := io.ReadAll(io.LimitReader(file, MaxFileSize+1))
	return data, info, err
}
