package file_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"outrigger.dev/outrigger/discovery/file"
)

func put(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	temp := filepath.Join(t.TempDir(), "new")
	if err := os.WriteFile(temp, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(temp, path); err != nil {
		t.Fatal(err)
	}
}

func revisionOf(t *testing.T, dir string) string {
	t.Helper()
	revision, err := file.Revision(dir)
	if err != nil || !file.IsRevision(revision) {
		t.Fatalf("revision %q: %v", revision, err)
	}
	return revision
}

// TestRevisionIsThatOfTheFiles: it depends on the names and contents of what is read, and on nothing else.
func TestRevisionIsThatOfTheFiles(t *testing.T) {
	t.Parallel()
	one, two := t.TempDir(), t.TempDir()
	seen := map[string]string{revisionOf(t, one): "empty"}
	for _, step := range []struct{ name, text string }{
		{"a.yaml", "# a"}, {"b.yaml", "# a"}, {"a.yaml", "# b"}, {"sub/a.yaml", "# a"}, {"a.yaml", ""}, {"a.yaml", "{"},
	} {
		put(t, one, step.name, step.text)
		revision := revisionOf(t, one)
		if before := seen[revision]; before != "" {
			t.Errorf("%v has the revision of %s", step, before)
		}
		seen[revision] = step.name + " " + step.text
	}
	for _, name := range []string{"sub/a.yaml", "b.yaml"} {
		put(t, two, name, "# a")
	}
	put(t, two, "a.yaml", "{")
	if revisionOf(t, one) != revisionOf(t, two) {
		t.Error("equal folders have different revisions")
	}
	put(t, two, ".hidden.yaml", "# a")
	put(t, two, "notes.txt", "# a")
	if revisionOf(t, one) != revisionOf(t, two) {
		t.Error("what is not read changes the revision")
	}
	if _, err := file.Revision(filepath.Join(one, "missing")); err == nil {
		t.Error("a folder that is not there has a revision")
	}
}

func TestIsRevision(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"0123456789ab": true, "": false, "0123456789a": false, "0123456789abc": false, "0123456789AB": false, "0123456789ax": false,
	} {
		if file.IsRevision(text) != want {
			t.Errorf("%q: want %t", text, want)
		}
	}
}

// TestUpdatesCarryTheRevision: of all that was taken in, also where no object changed, and where what changed is bad.
func TestUpdatesCarryTheRevision(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, dir, "a.yaml", "# a")
	source, err := file.New(file.Config{Dir: dir, Name: "test", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	updates, ended := make(chan file.Update), make(chan error, 1)
	go func() { ended <- source.Run(ctx, updates) }()
	for _, text := range []string{"# a", "# b", "{", "# c"} {
		put(t, dir, "a.yaml", text)
		want := revisionOf(t, dir)
		for got := ""; got != want; {
			update := <-updates
			got = update.Revision
			if update.ReadAt.IsZero() {
				t.Errorf("%q: nobody knows when it was read", text)
			}
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
