package docs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// root is the top of the repository, seen from this package.
const root = "../.."

// block is one fenced block of a document.
type block struct {
	language string
	// marked says that the line before the block asks for it to be run, asRoot that only root can do so.
	marked, asRoot bool
	text           string
}

const (
	runMark  = "<!-- run -->"
	rootMark = "<!-- run as root -->"
)

func blocks(t *testing.T, file string) (all []block) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	var open *block
	mark := ""
	for line := range strings.Lines(string(data)) {
		fence, isFence := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "```")
		switch {
		case isFence && open == nil:
			open = &block{language: fence, marked: mark == runMark || mark == rootMark, asRoot: mark == rootMark}
		case isFence:
			all, open = append(all, *open), nil
		case open != nil:
			open.text += line
		case strings.TrimSpace(line) != "":
			mark = strings.TrimSpace(line)
		}
	}
	return all
}

// documents are all Markdown files that users read.
func documents(t *testing.T) []string {
	t.Helper()
	files := []string{"README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "CHANGELOG.md"}
	err := filepath.WalkDir(filepath.Join(root, "docs"), func(path string, _ os.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".md") {
			path, err = filepath.Rel(root, path)
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
