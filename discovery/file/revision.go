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
	_, found, err := f.walk()
	if err := errors.Join(append(slices.Collect(maps.Values(f.unreadable)), err)...); err != nil {
		return "", err
	}
	for name := range found {
		content, err := read(filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil {
			return "", err
		}
		f.put(name, &file{hash: sha256.Sum256(content.data)})
	}
	return f.taken(), nil
}

// IsRevision reports whether a text looks like what Revision returns.
func IsRevision(text string) bool {
	_, err := hex.DecodeString(text)
	return err == nil && len(text) == revisionLen && text == strings.ToLower(text)
}

// put keeps a file with the hash of what was judged of it, and counts it in the revision.
func (f *folder) put(name string, k *file) {
	f.files[name] = k
	f.sum.subtract(k.share)
	k.share = shareOf(name, k.hash)
	f.sum.add(k.share)
	f.revision = ""
}

// remove forgets a file.
func (f *folder) remove(name string) {
	f.sum.subtract(f.files[name].share)
	delete(f.files, name)
	f.revision = ""
}

// taken is the revision of what was judged. A file that cannot be read counts with its last content.
func (f *folder) taken() string {
	if f.revision != "" {
		return f.revision
	}
	text := make([]byte, 0, len(f.sum)*8)
	for _, lane := range f.sum {
		text = binary.BigEndian.AppendUint64(text, lane)
	}
	whole := sha256.Sum256(text)
	f.revision = hex.EncodeToString(whole[:])[:revisionLen]
	return f.revision
}

// share is what one file adds to the sum that a revision is made of. Being a sum, it needs no order, and a file that
// changes takes its old share out and adds its new one, however many others there are. Who can choose names and contents
// freely can find two folders of one sum; a revision tells states of a folder apart for whoever writes it, and guards nothing.
type share [4]uint64

func (s *share) add(other share) {
	for i := range s {
		s[i] += other[i]
	}
}

func (s *share) subtract(other share) {
	for i := range s {
		s[i] -= other[i]
	}
}

func shareOf(name string, hash digest) (s share) {
	// A hash has a fixed length and a name no zero byte, so that no two files are spelled alike.
	sum := sha256.Sum256(append(append([]byte(name), 0), hash[:]...))
	for i := range s {
		s[i] = binary.BigEndian.Uint64(sum[8*i:])
	}
	return s
}
