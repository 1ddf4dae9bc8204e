package file

import (
	"io"
	"testing"
	"time"

	"pgregory.net/rapid"

	"outrigger.dev/outrigger/discovery"
)

// TestRevisionHasNoHistory: however a folder came to hold what it holds, its revision is that of one which was read once.
func TestRevisionHasNoHistory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		f := newFolder(dir, newMesh(discovery.SourceID{Kind: "file"}), 0)
		contents := map[string]string{}
		steps := rapid.IntRange(1, 20).Draw(rt, "steps")
		for range steps {
			name := rapid.SampledFrom([]string{"a.yaml", "b.yaml", "sub/a.yaml"}).Draw(rt, "name")
			known := f.files[name]
			if known == nil {
				known = &file{}
			}
			switch rapid.IntRange(0, 3).Draw(rt, "step") {
			case 0:
				if f.files[name] != nil {
					f.forget(name)
					delete(contents, name)
				}
			case 1:
				if f.files[name] != nil { // One that was never read counts as nothing that could be written.
					f.cannotRead(name, known, io.ErrUnexpectedEOF)
				}
			default:
				contents[name] = rapid.SampledFrom([]string{"# a", "# b", "{"}).Draw(rt, "content")
				f.judge(name, known, content{data: []byte(contents[name])}, time.Time{})
			}
		}
		once := newFolder(dir, newMesh(discovery.SourceID{Kind: "file"}), 0)
		for name, text := range contents {
			once.judge(name, &file{}, content{data: []byte(text)}, time.Time{})
		}
		if f.taken() != once.taken() {
			rt.Fatalf("%v has the revision %s after %d steps, and %s when it is read once", contents, f.taken(), steps, once.taken())
		}
	})
}
