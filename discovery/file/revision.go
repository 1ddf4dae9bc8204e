package file

import (
	"crypto/sha256"
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
	sum := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(f.files)) {
		// A hash has a fixed length and a name no zero byte, so that no two folders are spelled alike.
		sum.Write(append([]byte(name), 0))
		sum.Write(f.files[name].hash[:])
	}
	f.revision = hex.EncodeToString(sum.Sum(nil))[:revisionLen]
	return f.revision
}
