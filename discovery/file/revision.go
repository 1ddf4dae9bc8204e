package file

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// revisionLen is the length of a revision in hex digits.
const revisionLen = 12

// Revision returns a digest of the names and contents of a folder's files as they are now, 12 hex digits:
// what Update.Revision says once all of that is taken in. It is the same wherever the folder is. The error
// says what cannot be read.
func Revision(dir string) (string, error) {
	f := newFolder(dir, nil, 0)
	found, err := f.walk()
	if err := errors.Join(append(slices.Collect(maps.Values(f.unreadable)), err)...); err != nil {
		return "", err
	}
	for name := range found {
		content, err := read(filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil {
			return "", err
		}
		f.files[name] = &file{hash: sha256.Sum256(content.data)}
	}
	return f.taken(), nil
}

// IsRevision reports whether a text looks like what Revision returns.
func IsRevision(text string) bool {
	_, err := hex.DecodeString(text)
	return err == nil && len(text) == revisionLen && text == strings.ToLower(text)
}

// taken is the revision of what was judged. A file that cannot be read counts with its last content.
func (f *folder) taken() string {
	if f.revision != "" {
		return f.revision
	}
	var sum share
	for name, file := range f.files {
		sum.add(file.shareOf(name))
	}
	text := make([]byte, 0, len(sum)*8)
	for _, lane := range sum {
		text = binary.BigEndian.AppendUint64(text, lane)
	}
	whole := sha256.Sum256(text)
	f.revision = hex.EncodeToString(whole[:])[:revisionLen]
	return f.revision
}

// share is what one file adds to the sum that a revision is made of. Being a sum, it needs no order, and a file that did
// not change is not hashed again: with thousands of files that would be a third of what a change costs.
type share [4]uint64

func (s *share) add(other share) {
	for i := range s {
		s[i] += other[i]
	}
}

// shareOf returns the share of the file under its name, which never changes.
func (f *file) shareOf(name string) share {
	if f.shared && f.shareHash == f.hash {
		return f.share
	}
	// A hash has a fixed length and a name no zero byte, so that no two files are spelled alike.
	sum := sha256.Sum256(append(append([]byte(name), 0), f.hash[:]...))
	for i := range f.share {
		f.share[i] = binary.BigEndian.Uint64(sum[8*i:])
	}
	f.shared, f.shareHash = true, f.hash
	return f.share
}
