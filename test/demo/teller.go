package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// teller prints the story as it goes, and the table at its end.
type teller struct {
	to   io.Writer
	rows []row
}

// row is one line of the table.
type row struct{ title, seen string }

func (t *teller) line(format string, args ...any) { fmt.Fprintf(t.to, format+"\n", args...) }

// note prints a line that belongs to the step under way.
func (t *teller) note(format string, args ...any) { t.line("     "+format, args...) }

// step runs one step, and prints how it began and ended.
func (t *teller) step(number int, title string, run func() (string, error)) error {
	t.line("\n%2d.  %s", number, title)
	began := time.Now()
	seen, err := run()
	took := time.Since(began).Round(100 * time.Millisecond)
	if err != nil {
		t.note("FAILED after %s", took)
		return fmt.Errorf("step %d, %s: %w", number, title, err)
	}
	t.note("ok, %s", took)
	t.rows = append(t.rows, row{title: title, seen: seen})
	return nil
}

func (t *teller) table() {
	width := 0
	for _, r := range t.rows {
		width = max(width, len(r.title))
	}
	t.line("\n%-*s   what was seen", width, "step")
	t.line("%s", strings.Repeat("-", width+40))
	for _, r := range t.rows {
		t.line("%-*s   %s", width, r.title, r.seen)
	}
}
